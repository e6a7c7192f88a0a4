"""Every event of the contract has a test in which it works, one in which it is refused, and one over HTTP."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import tests.contract
from tests.contract.events import EVENTS

FIELDS = ["test_an_unknown_field_is_named", "test_a_field_of_a_wrong_type_or_out_of_range_is_named"]
NOBODY = "test_nobody_may_not_send_it_and_hears_nothing_of_its_fields"
GONE = "test_whoever_may_not_be_seen_is_not_found_all_alike"
ONESELF = "test_to_aim_at_oneself_is_wrong"
ANY_ID = "test_to_take_back_is_right_for_any_id"
ROUTE = "test_every_route_of_the_specification_is_there"
OURS = "test_our_own_events_have_routes_too"
BLOCKED = "test_a_block_looks_like_a_deletion"
MAILBOX = "test_a_mailbox_gets_5_mails_in_half_an_hour_and_the_answer_stays_the_same"
REGISTERED = "test_registration_takes_all_of_a_profile_and_mails_a_link"
SESSIONS = "test_sessions_are_listed_and_ended"
SYNC = "test_sync_answers_exactly_this"
WRONG = "test_whose_login_is_wrong_and_whose_password_hear_the_same"

# event -> tests in which it works, in which it is refused, over HTTP
CHECKLIST: dict[str, tuple[list[str], list[str], list[str]]] = {
    "user/login": (
        ["test_login_by_login_or_mail_in_any_case", "test_login_signs_an_anonymous_socket_in"],
        [WRONG, "test_an_address_may_fail_10_times_in_5_minutes"],
        ["test_login_by_login_or_mail_in_any_case", ROUTE],
    ),
    "user/logout": (
        ["test_logout_ends_this_session", "test_logout_by_login_and_password_ends_all_sessions"],
        ["test_logout_of_nobody_is_refused", "test_logout_by_login_and_password_ends_all_sessions"],
        ["test_logout_ends_this_session", ROUTE],
    ),
    "user/registr": (
        [REGISTERED, "test_a_taken_mail_makes_a_phantom_and_tells_the_owner"],
        [
            "test_a_taken_login_is_refused_in_any_case_of_letters",
            "test_a_login_has_its_rules",
            "test_a_password_that_is_guessed_first_is_refused",
            "test_registrations_are_10_in_half_an_hour_and_address",
        ],
        [REGISTERED, ROUTE],
    ),
    "user/verification": (["test_a_link_counts_once"], ["test_a_link_counts_once"], ["test_a_link_counts_once", ROUTE]),
    "user/reset_pass": (
        ["test_a_forgotten_password_is_made_new_by_a_link", "test_a_password_is_changed_with_the_old_one"],
        ["test_a_link_to_a_new_password_is_good_for_half_an_hour", "test_a_new_password_needs_a_link_or_the_old_one"],
        ["test_a_forgotten_password_is_made_new_by_a_link", ROUTE],
    ),
    "user/save_profile": (
        ["test_only_given_fields_change", "test_the_image_field_is_the_whole_ordered_list"],
        [
            "test_a_fault_inside_a_field_has_its_path",
            "test_bytes_that_are_no_picture_are_refused",
            "test_a_login_is_changed_with_the_old_password",
            "test_own_moves_are_20_a_day",
        ],
        ["test_only_given_fields_change", ROUTE],
    ),
    "user/set_online": (["test_online_by_hand_and_offline_by_hand"], [NOBODY, *FIELDS], [ROUTE]),
    "user/set_offline": (["test_online_by_hand_and_offline_by_hand"], [NOBODY, *FIELDS], [ROUTE]),
    "research": (
        ["test_cards_have_exactly_these_fields", "test_filters", "test_every_sort_pages_without_repeats_or_gaps"],
        ["test_a_cursor_goes_with_its_filters_and_its_owner", "test_searches_are_20_a_minute"],
        ["test_fields_of_a_query_are_read_as_what_they_are", ROUTE],
    ),
    "profile": (
        ["test_a_profile_has_exactly_these_fields", "test_a_visit_is_recorded_once_an_hour_and_told"],
        [GONE, ONESELF, "test_what_is_limited_by_the_day"],
        ["test_a_profile_has_exactly_these_fields", ROUTE],
    ),
    "user/like": (
        ["test_a_like_tells_the_liked_one", "test_two_likes_meet"],
        [GONE, ONESELF, "test_a_photo_is_needed_to_like", "test_a_like_is_taken_back_and_given_again_3_times_a_day"],
        ["test_a_like_tells_the_liked_one", ROUTE],
    ),
    "user/connect": (
        ["test_a_request_is_a_like_of_another_kind", "test_a_like_meets_a_request"],
        [GONE, ONESELF, "test_a_photo_is_needed_to_like"],
        ["test_a_request_is_a_like_of_another_kind", ROUTE],
    ),
    "user/disconnect": (
        ["test_an_ended_connection_closes_the_chat_and_keeps_it_readable", ANY_ID],
        [NOBODY, ONESELF],
        ["test_an_ended_connection_closes_the_chat_and_keeps_it_readable", ROUTE],
    ),
    "user/block": ([BLOCKED], [GONE, ONESELF], [BLOCKED, ROUTE]),
    "user/unblock": (
        ["test_after_a_block_is_lifted_nothing_comes_back_by_itself", ANY_ID],
        [NOBODY, ONESELF],
        ["test_after_a_block_is_lifted_nothing_comes_back_by_itself", ROUTE],
    ),
    "user/history": (
        ["test_visits_are_listed_newest_first_page_by_page"],
        [NOBODY, "test_a_page_has_1_to_50"],
        ["test_visits_are_listed_newest_first_page_by_page", ROUTE],
    ),
    "report": (
        ["test_a_complaint_works_after_a_block_a_deletion_and_for_any_id"],
        [ONESELF, "test_complaints_are_10_a_day"],
        ["test_a_complaint_works_after_a_block_a_deletion_and_for_any_id", ROUTE],
    ),
    "message/send": (
        ["test_a_message_reaches_all_sockets_of_both", "test_a_repeated_message_gets_the_first_answer"],
        ["test_who_may_be_written_to", "test_a_message_has_its_rules", "test_ten_messages_may_be_unanswered", GONE],
        ["test_a_message_reaches_all_sockets_of_both", "test_the_status_is_the_code_but_403_for_900", ROUTE],
    ),
    "notifications": (
        ["test_a_nudge_is_repeated_without_effect"],
        [GONE, ONESELF, "test_a_photo_is_needed_to_like", "test_nudges_are_1_a_day_and_pair"],
        ["test_a_nudge_is_repeated_without_effect", ROUTE],
    ),
    "user/forgot_pass": (
        ["test_a_forgotten_password_is_made_new_by_a_link"],
        ["test_to_ask_for_a_mail_tells_nothing", MAILBOX],
        ["test_a_forgotten_password_is_made_new_by_a_link", OURS],
    ),
    "user/resend_verification": (
        ["test_a_second_verification_mail_brings_a_link_that_works"],
        ["test_to_ask_for_a_mail_tells_nothing"],
        ["test_a_second_verification_mail_brings_a_link_that_works", OURS],
    ),
    "user/me": (["test_me_is_the_own_profile_and_what_is_private"], [NOBODY, *FIELDS], [OURS]),
    "user/unlike": (
        ["test_a_like_is_taken_back_in_silence", ANY_ID],
        [NOBODY, ONESELF],
        ["test_a_like_is_taken_back_in_silence", OURS],
    ),
    "user/pass": (
        ["test_a_passed_one_is_out_of_my_search_until_undone"],
        [GONE, ONESELF],
        ["test_a_passed_one_is_out_of_my_search_until_undone", OURS],
    ),
    "user/unpass": (
        ["test_a_passed_one_is_out_of_my_search_until_undone", ANY_ID],
        [NOBODY, ONESELF],
        ["test_a_passed_one_is_out_of_my_search_until_undone", OURS],
    ),
    "user/likes": (
        ["test_who_likes_me_and_is_not_connected"],
        [NOBODY, "test_a_page_has_1_to_50"],
        ["test_who_likes_me_and_is_not_connected", OURS],
    ),
    "user/connections": (
        ["test_connections_have_the_last_message_and_what_is_unread"],
        [NOBODY, "test_a_page_has_1_to_50"],
        ["test_connections_have_the_last_message_and_what_is_unread", OURS],
    ),
    "user/blocks": (
        ["test_blocks_are_listed_as_they_were_then"],
        [NOBODY, "test_a_page_has_1_to_50"],
        ["test_for_the_blocker_the_blocked_one_is_not_found_but_900_to_write_to", OURS],
    ),
    "user/sessions": ([SESSIONS], [NOBODY, *FIELDS], [SESSIONS]),
    "user/end_session": (
        ["test_sessions_are_listed_and_ended"],
        ["test_sessions_of_others_cannot_be_ended"],
        ["test_sessions_are_listed_and_ended", OURS],
    ),
    "user/settings": (
        ["test_settings_are_read_and_changed"],
        ["test_settings_are_read_and_changed", NOBODY],
        ["test_settings_are_read_and_changed", OURS],
    ),
    "message/history": (
        ["test_history_goes_both_ways"],
        ["test_there_is_no_history_of_who_never_met", GONE],
        ["test_history_goes_both_ways", OURS],
    ),
    "message/read": (
        ["test_reading_is_told_to_both_and_only_goes_up", "test_without_receipts_the_writer_hears_nothing"],
        ["test_there_is_no_history_of_who_never_met", GONE],
        ["test_reading_is_told_to_both_and_only_goes_up", OURS],
    ),
    "message/typing": (
        ["test_typing_is_told_to_the_other_alone_and_not_kept"],
        ["test_there_is_no_history_of_who_never_met", GONE],
        ["test_typing_is_told_to_the_other_alone_and_not_kept", OURS],
    ),
    "notifications/list": (
        ["test_all_that_others_do_is_listed_newest_first"],
        ["test_a_list_goes_page_by_page"],
        ["test_a_list_goes_page_by_page", OURS],
    ),
    "notifications/read": (
        ["test_reading_up_to_a_number_is_told_to_the_other_sockets"],
        [NOBODY, *FIELDS],
        ["test_reading_up_to_a_number_is_told_to_the_other_sockets", OURS],
    ),
    "presence/watch": (
        ["test_connected_people_are_watched"],
        ["test_only_connected_people_are_watched"],
        ["test_only_connected_people_are_watched", OURS],
    ),
    "sync": ([SYNC], [SYNC, NOBODY], [SYNC]),
    "tags": (
        ["test_tags_are_listed_from_five_people_on_most_used_first"],
        [NOBODY, *FIELDS],
        ["test_tags_are_listed_from_five_people_on_most_used_first", OURS],
    ),
    "places": (
        ["test_places_are_found_by_their_beginning", "test_a_search_from_a_town_is_as_if_one_were_there"],
        [NOBODY, *FIELDS],
        ["test_places_are_found_by_their_beginning", OURS],
    ),
}


def written() -> Iterator[str]:
    for module in pkgutil.iter_modules(tests.contract.__path__):
        yield from vars(importlib.import_module(f"tests.contract.{module.name}"))


def test_every_event_is_on_the_list() -> None:
    assert set(CHECKLIST) == set(EVENTS)
    assert len(EVENTS) == 40


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_tested_in_three_ways(event: str) -> None:
    there = set(written())
    for names in CHECKLIST[event]:
        assert names and set(names) <= there, set(names) - there
