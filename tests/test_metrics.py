"""What the server tells of itself at /metrics, to whom, and that dashboard and alerts ask for what is there."""

import ast
import asyncio
import json
import re
import runpy
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import aiohttp
import promql_parser
import pymysql
import pytest
import yaml
from redis.asyncio import Redis

from server import metrics
from server.app import METRICS, SERVICES, _forever
from server.metrics import LoopLag
from server.socket.journal import LIMITS
from server.tally import SECONDS, Histogram
from server.wire.errors import ERRORS
from server.wire.events import registry
from server.wire.pushes import Kind, Push
from sql.database import Conflict, Lost, translate
from tests.ground.answers import refused
from tests.ground.raw import RawSocket, Refused
from tests.ground.recorders import SqlRecorder
from tests.ground.scrape import scrape
from tests.ground.waiting import until

ROOT = Path(__file__).parent.parent
NEVER = 600.0
TIGHT = {"scale": 1, "registrations": 100, "mails_address": 100}


async def open_as(person):
    return await RawSocket.open(person.url, auth={"token": person.token})


async def status_of(server, path, **headers):
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}{path}", headers=headers) as got:
        return got.status, await got.text()


# -- who may see them --------------------------------------------------------------------------------------------------

LISTED = {"proxies": ["127.0.0.1/32"]}
OFFICE = {"allow": ["198.51.100.0/24"]}


@pytest.mark.parametrize(
    ("headers", "status", "options"),
    [
        ({}, 200, {}),
        ({"X-Forwarded-For": "127.0.0.1"}, 403, {}),
        ({"Forwarded": "for=127.0.0.1"}, 403, {}),
        ({"Via": "1.1 somewhere"}, 403, {}),
        ({}, 403, {"metrics": {"allow": []}}),
        ({}, 403, {"metrics": OFFICE}),
        ({}, 200, {"server": LISTED}),
        ({"X-Forwarded-For": "198.51.100.7"}, 403, {"server": LISTED}),
        ({"X-Forwarded-For": "127.0.0.1, 198.51.100.7"}, 403, {"server": LISTED}),
        ({"X-Forwarded-For": "198.51.100.7"}, 200, {"server": LISTED, "metrics": OFFICE}),
        ({"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}, 403, {"server": LISTED, "metrics": OFFICE}),
        ({"X-Forwarded-For": "nonsense"}, 403, {"server": LISTED, "metrics": OFFICE}),
    ],
)
async def test_only_those_who_are_allowed_see_metrics(start_server, headers, status, options):
    server = await start_server(**options)
    got, text = await status_of(server, "/metrics", **headers)
    assert got == status
    assert ("matcha_build_info" in text) == (status == 200)
    assert ("metrics.allow" in text) == (status == 403)


# -- what they count ---------------------------------------------------------------------------------------------------


async def test_events_are_counted_by_name_and_outcome_over_socket_and_http(server, connected, mallory):
    alice, bob = connected
    await alice.message.send(bob.id, "hello")
    text = {"target_user_id": bob.id, "random_id": 1, "message": "x"}
    async with await open_as(mallory) as socket:
        refused(await socket.call("message/send", text), "not_connected")
        refused(await socket.call("message/send", text | {"message": ""}), "invalid_payload")
        refused(await socket.call("no/such"), "unknown_event")
    assert (await status_of(server, "/api/user/me"))[0] == 401
    with pytest.raises(Refused):
        await RawSocket.open(server.url, auth={"token": "nonsense"})
    seen = await scrape(server)
    for outcome in ("ok", "not_connected", "invalid_payload"):
        assert seen("matcha_events_total", event="message/send", outcome=outcome) == 1
    assert seen("matcha_events_total", event="unknown", outcome="unknown_event") == 1
    assert seen("matcha_events_total", event="user/me", outcome="unauthorized") == 1
    assert seen("matcha_events_total", event="handshake", outcome="unauthorized") == 1
    assert seen("matcha_event_seconds_count", event="message/send") == 3
    assert seen("matcha_event_seconds_bucket", event="message/send", le="+Inf") == 3
    assert 0 < seen("matcha_event_seconds_sum", event="message/send") < 3


async def test_two_servers_in_one_process_count_apart(server, alice, start_server):
    other = await start_server()
    assert (await scrape(server))("matcha_events_total", event="user/login", outcome="ok") == 1
    assert (await scrape(other))("matcha_events_total", event="user/login", outcome="ok") == 0


async def test_every_event_is_there_before_it_first_happens_and_so_are_failures(server):
    events = (await scrape(server)).labels("matcha_events_total")
    assert events["event"] == {*registry, "handshake", "unknown"}
    assert events["outcome"] == {"ok", "internal", "unavailable"}


async def test_whatever_clients_send_labels_are_names_of_ours(server, alice, mallory):
    async with await open_as(mallory) as socket:
        for name in ("canary", "user/canary", "handshake", "unknown", "ok", "", "x" * 1000):
            await socket.call(name, {"canary": "canary"})
        for name in registry:
            await socket.call(name, {"canary": "canary"})
        await socket.call_raw('["message/send", canary')
    async with aiohttp.ClientSession() as http:
        for path in ("canary", "user/me?canary=canary", "user/login/canary"):
            await http.get(
                f"{server.url}/api/{path}", headers={"User-Agent": "canary", "Authorization": "Bearer canary"}
            )
    seen = await scrape(server)
    assert "canary" not in seen.text
    names = {
        "event": {*registry, "handshake", "unknown"},
        "outcome": {"ok", *ERRORS, "sent", "postponed", "given_up"},
        "limit": set(LIMITS),
        "loop": set(server.app[METRICS].failures),
    }
    for name in sorted({one.name for one in seen.samples}):
        for label, values in seen.labels(name).items():
            assert values <= names.get(label, values), (name, label)
            assert len(values) <= len(registry) + 2, (name, label)
    most = len(registry) * (len(ERRORS) + 1 + len(SECONDS) + 3)
    assert len(seen.samples) < most + 300


def test_every_limit_that_refuses_has_a_name_that_metrics_know():
    trees = [ast.parse(path.read_text()) for path in [*ROOT.glob("server/**/*.py"), *ROOT.glob("handlers/*.py")]]
    named = {name for tree in trees for name in limits_of(tree)}
    assert {"unanswered", "socket_queue", "registrations", "profiles_day", "like_cycles_day", "message_rate"} <= named
    assert named <= set(LIMITS)


def limits_of(tree):
    """Return every name that is given to whatever counts or refuses; what is only passed on has none yet."""
    functions = {one.name: one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            called = getattr(call.func, "attr", getattr(call.func, "id", ""))
            words = {word.arg: word.value for word in call.keywords if called in LIMITING}
            assert called != "RateLimited" or "limit" in words, "each says which limit it was"
            yield from (words[arg].value for arg in ("name", "limit") if isinstance(words.get(arg), ast.Constant))
            if called == "take" and "quotas" in ast.unparse(call.func):
                yield from limits_by_target(call.args[1], functions)


LIMITING = ("RateLimited", "hit", "spend", "Buckets")


def limits_by_target(given, functions):
    """Limits of what one does in all and towards each: a dict, or a function beside it that returns one."""
    given = functions[given.func.id].body[-1].value if isinstance(given, ast.Call) else given
    assert isinstance(given, ast.Dict), ast.unparse(given)
    return [value.value for value in given.values]


@pytest.mark.config(limits=TIGHT)
async def test_limits_are_counted_by_name(server, alice):
    async with await open_as(alice) as socket:
        for number in range(1, 101):
            await socket.emit("user/settings", {}, ack=number)
        answers = [await socket.answer(number) for number in range(1, 101)]
    limited = sum(answer["code"] == 429 for answer in answers)
    seen = await scrape(server)
    assert limited > 20
    assert seen("matcha_events_total", event="user/settings", outcome="rate_limited") == limited
    assert seen("matcha_limits_reached_total", limit="socket_rate") == limited
    assert seen("matcha_event_seconds_count", event="user/settings") == 100 - limited, "refused at the door"


async def test_sockets_pushes_and_bytes(server, talking):
    alice, bob = talking
    before = await scrape(server)
    async with await RawSocket.open(server.url), await open_as(bob) as socket:
        start = (await socket.call("user/me"))["data"]["cursor"]
        await alice.message.send(bob.id, "hello")
        await socket.push("message/new", seq=start + 1)
        await alice.message.typing(bob.id)
        await socket.push("message/typing")
        seen = await scrape(server)
        assert seen("matcha_sockets", kind="signed_in") == before("matcha_sockets", kind="signed_in") + 1
        assert seen("matcha_sockets", kind="anonymous") == before("matcha_sockets", kind="anonymous") + 1
    assert seen("matcha_pushes_total", way="live") == before("matcha_pushes_total", way="live") + 3
    assert seen("matcha_pushes_total", way="whisper") == before("matcha_pushes_total", way="whisper") + 2
    assert seen("matcha_sent_bytes_total") > before("matcha_sent_bytes_total") + 500
    assert seen("matcha_frames_sent_total") >= before("matcha_frames_sent_total") + 8
    assert seen("matcha_frames_received_total") >= before("matcha_frames_received_total") + 5


async def tell_nobody(server, person):
    """Write a push into somebody's log as a process would that dies before it says so; return what it would say."""

    async def work(tx):
        tx.push(person.id, Push(Kind.SETTINGS_CHANGED, person.id))

    _, outcome = await server.app[SERVICES].transact(work)
    return outcome


async def look_at_all(delivery):
    """Wait until the tailer has looked at all once more, and then some."""
    due = delivery._all_due
    await until(lambda: delivery._all_due > due)


async def test_what_only_the_tailer_found_is_a_repair_and_what_was_told_of_is_none(server, talking):
    alice, bob = talking
    delivery = server.gateway._delivery
    await alice.message.send(bob.id, "told")
    late = await tell_nobody(server, bob)
    await until(lambda: delivery._found)  # between the commit and the word of it
    delivery.deliver(late)
    for _ in range(2):
        await look_at_all(delivery)
    assert (await scrape(server))("matcha_tailer_repairs_total") == 0
    await tell_nobody(server, bob)
    await tell_nobody(server, bob)
    await until(lambda: delivery.repaired)
    await look_at_all(delivery)
    assert (await scrape(server))("matcha_tailer_repairs_total") == 2


async def test_how_far_sockets_are_behind_the_log(server, talking):
    alice, bob = talking
    await until(lambda: nobody_is_behind(server))
    server.gateway._delivery._soft = 0  # as if everybody read too slowly
    for number in range(3):
        await alice.message.send(bob.id, f"for Bob {number}")
    seen = await scrape(server)
    assert seen("matcha_log_lag_largest") == 3
    assert seen("matcha_log_lag") == 6, "Alice is told what she has sent, too"
    server.gateway._delivery._soft = server.config.socket.backlog_soft
    await alice.message.send(bob.id, "for Bob 3")
    await until(lambda: nobody_is_behind(server))
    assert (await scrape(server))("matcha_batch_size_sum", batch="log") >= 6


async def nobody_is_behind(server):
    return (await scrape(server))("matcha_log_lag") == 0


@pytest.mark.config(database={"pool": 1, "timeout": 0.3})
async def test_the_pool_says_who_waits_and_for_how_long(server, alice):
    pool, before = server.database, await scrape(server)
    held = await pool.acquire()
    answer = asyncio.create_task(alice.profile.me())
    await until(lambda: pool.waiting)
    assert (pool.in_use, pool.idle) == (1, 0)
    await asyncio.sleep(0.02)
    pool.release(held)
    await answer
    await until(lambda: not pool.in_use)
    seen = await scrape(server)
    assert seen("matcha_pool_size") == 1
    assert seen("matcha_pool_in_use") == seen("matcha_pool_waiting") == 0
    assert seen("matcha_pool_idle") == 1
    assert seen("matcha_pool_wait_seconds_count") > before("matcha_pool_wait_seconds_count")
    assert seen("matcha_pool_wait_seconds_sum") >= before("matcha_pool_wait_seconds_sum") + 0.02
    assert seen("matcha_pool_opened_total") >= 1


@pytest.mark.config(database={"pool": 2, "timeout": 0.3})
async def test_without_the_database_metrics_are_shown_all_the_same(server, alice):
    async with server.database_down():
        seen = await scrape(server)
        assert seen("matcha_ready", part="database") == 0
        assert seen("matcha_ready", part="redis") == 1
        assert "mails" not in seen.labels("matcha_waiting")["queue"]
    await until(lambda: is_ready(server))
    await until(lambda: not server.database.in_use)
    assert (await scrape(server))("matcha_pool_in_use") == 0


async def is_ready(server):
    return (await scrape(server))("matcha_ready", part="database") == 1


async def test_why_transactions_are_begun_anew(server):
    faults = [Conflict("…", kind="deadlock"), Lost("…"), Conflict("…")]

    async def work(tx):
        if faults:
            raise faults.pop(0)

    await server.app[SERVICES].transact(work)
    seen = await scrape(server)
    reasons = {
        reason: seen("matcha_transaction_retries_total", reason=reason) for reason in ("deadlock", "lost", "changed")
    }
    assert reasons == {"deadlock": 1, "lost": 1, "changed": 1}
    assert seen("matcha_transaction_retries_total", reason="lock_wait") == 0


@pytest.mark.parametrize(
    ("number", "kind"), [(1213, "deadlock"), (1205, "lock_wait"), (1020, "changed"), (1047, "cluster")]
)
def test_a_conflict_says_its_kind(number, kind):
    assert translate(pymysql.OperationalError(number, "…")).kind == kind


@pytest.mark.config(mail={"retry": NEVER})
async def test_mails_that_wait(server, alice, monkeypatch):
    broken = asyncio.Event()

    async def fail(message):
        broken.set()
        raise OSError("no mail server")

    mailer = server.app[METRICS].mailer
    monkeypatch.setattr(mailer, "_send", fail)
    await alice.account.forgot_password(alice.mail)
    await broken.wait()
    await until(lambda: mailer.outcomes["postponed"])
    server.clock.advance(120)
    seen = await scrape(server)
    assert seen("matcha_waiting", queue="mails") == 1
    assert 120 <= seen("matcha_mail_oldest_seconds") < 130
    assert seen("matcha_mails_total", outcome="postponed") == 1
    assert seen("matcha_mails_total", outcome="sent") >= 1


@pytest.mark.config(redis={"timeout": 0.2})
async def test_hints_that_are_heard_and_those_that_are_lost(server, talking, start_server):
    alice, bob = talking
    other = await start_server()
    async with await RawSocket.open(other.url, auth={"token": bob.token}) as socket:
        start = (await socket.call("user/me"))["data"]["cursor"]
        await alice.message.send(bob.id, "hello")
        await socket.push("message/new", seq=start + 1)
        await until(lambda: heard(other))
        assert (await scrape(server))("matcha_hints_total", fate="given") >= 1
        assert (await scrape(server))("matcha_batch_size_count", batch="hints") >= 1
    async with server.redis_down():
        await alice.message.send(bob.id, "hello?")
        await until(lambda: server.app[METRICS].hints.counts["dropped"])
        assert (await scrape(server))("matcha_ready", part="redis") == 0


async def heard(server):
    return (await scrape(server))("matcha_hints_total", fate="heard") >= 1


async def test_a_listener_that_lost_redis_and_found_it_again_is_counted(server, alice):
    async with Redis.from_url(server.redis_url) as redis:
        assert await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: server.app[METRICS].hints.reconnects)
    assert (await scrape(server))("matcha_redis_reconnects_total") == 1


async def test_a_background_loop_that_fails_is_counted():
    counts: Counter[str] = Counter()
    failed = asyncio.Event()

    async def loop():
        failed.set()
        raise ValueError("…")

    task = asyncio.create_task(_forever(loop, counts))
    await failed.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert list(counts.values()) == [1]


async def test_every_background_loop_is_known_before_it_fails(server):
    loops = (await scrape(server)).labels("matcha_background_failures_total")["loop"]
    assert {"Mailer.run", "Delivery.run", "Gateway.sweep", "LoopLag.run"} <= loops


async def test_a_loop_that_is_blocked_is_late(monkeypatch):
    monkeypatch.setattr(metrics, "_LOOK_AT_LOOP", 0.01)
    lag = LoopLag()
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0)
    time.sleep(0.06)  # noqa: ASYNC251  (that is the point)
    await until(lambda: lag.seconds.total > 0.04)
    task.cancel()


def test_a_histogram_counts_a_value_in_the_smallest_bucket_that_holds_it():
    histogram = Histogram((1, 10))
    for value in (0, 1, 1.5, 10, 11):
        histogram.note(value)
    assert (histogram.counts, histogram.total) == ([2, 2, 1], 23.5)


# -- health ------------------------------------------------------------------------------------------------------------


async def test_who_is_about_to_end_is_alive_but_not_ready(server, alice):
    assert (await status_of(server, "/readyz"))[0] == 200
    await server.app.shutdown()
    assert (await status_of(server, "/healthz"))[0] == 200
    status, text = await status_of(server, "/readyz")
    assert (status, json.loads(text)) == (503, {"database": True, "redis": True, "serving": False})
    assert (await scrape(server))("matcha_ready", part="serving") == 0


async def test_a_database_of_another_version_is_not_ready(server):
    await server.database.fetch("INSERT INTO migration (version, name) VALUES (999, 'newer')")
    try:
        status, text = await status_of(server, "/readyz")
        assert (status, json.loads(text)["database"]) == (503, False)
    finally:
        await server.database.fetch("DELETE FROM migration WHERE version = 999")
    assert (await status_of(server, "/readyz"))[0] == 200


async def test_many_who_ask_whether_it_is_ready_share_one_look(server):
    with SqlRecorder() as recorder:
        answers = await asyncio.gather(*(status_of(server, "/readyz") for _ in range(30)))
    looks = [one for one in recorder.statements if "migration" in one.sql]
    assert {status for status, _ in answers} == {200}
    assert len(looks) < 15


# -- dashboard and alerts ----------------------------------------------------------------------------------------------

GRAFANA, PROMETHEUS = ROOT / "deploy/grafana", ROOT / "deploy/prometheus"
GIVEN_BY_PROMETHEUS = {"job", "instance"}


def queries():
    for panel in json.loads((GRAFANA / "matcha42.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], re.sub(r"\$(job|instance)", ".+", target["expr"].replace("$__rate_interval", "5m"))
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def parts_of(query):
    """Return the metrics of a query with their matchers, and the labels that it groups by."""
    selectors, groups = [], []

    def visit(part):
        if isinstance(part, promql_parser.VectorSelector):
            selectors.append(part)
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier:
            groups.extend(part.modifier.labels)

    promql_parser.walk(promql_parser.parse(query), visit)
    assert selectors, query
    return selectors, groups


def is_met(matcher, values):
    if matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe):
        return all(any(re.fullmatch(part, value) for value in values) for part in matcher.value.split("|"))
    return matcher.value in values


async def test_dashboard_and_alerts_ask_for_what_is_there(server, talking):
    """Also for labels and their values: a misspelt event would never be seen to be slow."""
    seen = await scrape(server)
    for title, query in queries():
        selectors, groups = parts_of(query)
        for selector in selectors:
            if selector.name == "up":
                continue
            labels = seen.labels(selector.name)
            assert any(one.name == selector.name for one in seen.samples), (title, selector.name)
            assert set(groups) <= labels.keys() | GIVEN_BY_PROMETHEUS, (title, groups)
            for matcher in selector.matchers.matchers:
                known = labels.get(matcher.name, set()) | ({*registry} if matcher.name == "event" else set())
                assert matcher.name in GIVEN_BY_PROMETHEUS or is_met(matcher, known), (title, str(matcher))


async def test_every_metric_of_ours_is_explained_and_every_alert_too(server, talking):
    text = (ROOT / "docs/observing.md").read_text()
    families = re.findall(r"^# TYPE (matcha_\w+)", (await scrape(server)).text, re.MULTILINE)
    assert len(families) > 25
    missing = [name for name in families if f"`{name}`" not in text]
    missing += [name for name, _ in queries() if name.startswith("Matcha") and f"`{name}`" not in text]
    assert not missing
    assert set(re.findall(r"`(matcha_\w+?)`", text)) <= set(families)


def test_the_dashboard_is_what_its_program_writes():
    written = runpy.run_path(str(GRAFANA / "dashboard.py"))
    assert (GRAFANA / "matcha42.json").read_text() == written["text"](), "python deploy/grafana/dashboard.py"


def test_the_dashboard_asks_whoever_is_chosen():
    board = json.loads((GRAFANA / "matcha42.json").read_text())
    assert [one["name"] for one in board["templating"]["list"]] == ["datasource", "job", "instance"]
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for _, query in [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]:
        assert query.count('instance=~"$instance"') == len(parts_of(re.sub(r"\$__rate_interval", "5m", query))[0])


def test_the_scrape_example_reads_the_alerts_beside_it():
    example = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert all((PROMETHEUS / name).exists() for name in example["rule_files"])
    (job,) = example["scrape_configs"]
    assert f'job="{job["job_name"]}"' in (PROMETHEUS / "alerts.yml").read_text()
