"""Photos: the ordered list of one's own, what is kept of an image, and who may fetch it."""

import asyncio
import io
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image, ImageCms

from client_sdk.errors import AlreadyExists, InvalidImage, InvalidPayload, PhotoRequired, Unavailable
from server.app import SERVICES
from server.config import Photos
from server.outside.pictures.kept import SIZES, VARIANTS, Unreadable
from server.outside.pictures.pipeline import process
from server.outside.pictures.workers import Worker
from sql import photo
from tests.ground.answers import ok, refused
from tests.ground.freeze import freeze
from tests.ground.photos import image
from tests.ground.server import KEY
from tests.ground.waiting import until

DAY = 86_400


class Answer(NamedTuple):
    """What came for a URL."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Fetch = Callable[..., Awaitable[Answer]]


@pytest_asyncio.fixture
async def fetch(server) -> AsyncIterator[Fetch]:
    """`await fetch(url, Accept="image/webp")` gets a URL of the server as anybody would, its body read."""
    async with aiohttp.ClientSession() as session:

        async def get(url: str, **headers: str) -> Answer:
            async with session.get(server.url + urlsplit(url).path, headers=headers) as response:
                return Answer(response.status, response.headers, await response.read())

        yield get


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def files(server) -> set[str]:
    """Return the names of all files of photos that were taken in."""
    return {path.name for path in (server.config.server.data / "photos").rglob("*.*")} - {
        f"shared-by-all.{variant}" for variant in VARIANTS
    }


async def files_of(server, person) -> set[str]:
    rows = await server.database.fetch("SELECT file FROM photo WHERE user_id = %s", person.id)
    return {f"{file}.{variant}" for (file,) in rows for variant in VARIANTS}


async def clear_away(server) -> None:
    """Let all be removed whose time has come."""
    photos = server.app[SERVICES].photos
    await photos._transact(photos._clear)


# -- the list ----------------------------------------------------------------------------------------------------------


async def test_a_photo_comes_in_three_sizes_and_two_formats(alice, fetch):
    own = await alice.profile.save(image=[image(size=(2000, 1000))])
    [photo] = own.photos
    assert own.photo == photo
    assert photo.url.keys() == SIZES.keys()
    for size, side in SIZES.items():
        for accept, kind in (("image/avif,image/webp,*/*", "WEBP"), ("image/*", "JPEG"), ("image/webp;q=0", "JPEG")):
            answer = await fetch(photo.url[size], Accept=accept)
            picture = opened(answer.body)
            assert (picture.format, picture.size) == (kind, (side, side // 2))
            assert answer.headers["Content-Type"] == f"image/{kind.lower()}"
            assert answer.headers["Vary"] == "Accept"


async def test_the_list_is_replaced_kept_in_order_and_cleared(alice):
    async def save(photos: Any) -> list[str]:
        return [photo.photo_id for photo in (await alice.profile.save(image=photos)).photos]

    first, second = await save([image("red"), image("blue")])
    [third, *rest] = await save([image("green"), second, first])
    assert rest == [second, first]
    assert await save([first, third]) == [first, third]
    assert [photo.photo_id for photo in (await alice.profile.save(description="hi")).photos] == [first, third]
    assert (await alice.profile.me()).photo.photo_id == first
    assert await save([third]) == [third]
    assert await save(None) == []
    assert (await alice.profile.me()).photo is None
    assert await save([]) == []


async def test_one_registers_with_photos(people, alice, server):
    await people("dora", photo=False, image=[image("red"), image("blue")])
    [dora] = await alice.research.search()
    assert dora.login == "dora"
    assert dora.photo is not None
    assert len((await alice.profile.get(dora.user_id)).photos) == 2


async def test_a_path_names_an_image_too(alice, tmp_path):
    path = tmp_path / "me.jpg"
    path.write_bytes(image("red"))
    assert (await alice.profile.save(image=[path])).photo is not None


async def test_over_http_images_are_base64(alice, server, fetch):
    photos = [image(colour, (900, 900), "PNG") for colour in ("red", "green", "blue", "white", "gray")]
    async with aiohttp.ClientSession() as session:

        async def save(path: str, **fields: Any) -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {alice.token}"}
            async with session.post(f"{server.url}/api/{path}", json=fields, headers=headers) as response:
                answer: dict[str, Any] = await response.json()
                return answer

        own = ok(await save("user/save_profile", image=[b64encode(photo).decode() for photo in photos]))
        ids = [photo["photo_id"] for photo in own["photos"]]
        assert len(ids) == 5
        assert (await fetch(own["photo"]["url"]["small"])).status == 200
        assert ok(await save("user/save_profile", image=ids[:1]))["photos"] == own["photos"][:1]
        largest = b64encode(b"\xff" * 1_000_000).decode()
        refused(await save("user/save_profile", image=[largest] * 5), "invalid_image")
        larger = b64encode(b"x" * 1_000_001).decode()
        error = refused(await save("user/save_profile", image=[larger]), "invalid_payload")
        assert error["fields"]["image.0"]["params"] == {"max_bytes": 1_000_000}
        refused(await save("user/save_profile", image=["/" * 8_000_000]), "invalid_payload")
        error = refused(await save("message/send", image=[largest]), "invalid_payload")
        assert error["fields"].keys() == {"payload"}, "other bodies are as small as ever"


@pytest.mark.parametrize(
    ("photos", "place", "code"),
    [
        (["x" * 22], 0, "not_found"),
        (["not base64!"], 0, "format"),
        (["data:image/png;base64,AAAA"], 0, "format"),
        (["http://169.254.169.254/"], 0, "format"),
        ([{"_placeholder": True, "num": 0}], 0, "type"),
        ([7], 0, "type"),
        ([None], 0, "type"),
    ],
)
async def test_what_is_no_photo_is_told_by_its_place(alice, photos, place, code):
    with pytest.raises(InvalidPayload) as info:
        await alice.call("user/save_profile", image=photos)
    assert {path: fault["code"] for path, fault in info.value.fields.items()} == {f"image.{place}": code}


async def test_a_photo_of_another_is_as_unknown_as_none(alice, bob):
    [hers] = (await alice.profile.save(image=[image("red")])).photos
    [his] = (await bob.profile.save(image=[image("blue")])).photos
    seen = await bob.profile.get(alice.id)
    assert [photo.photo_id for photo in seen.photos] == [hers.photo_id]
    faults = []
    for foreign in (hers.photo_id, "A" * 22):
        with pytest.raises(InvalidPayload) as info:
            await bob.profile.save(image=[his.photo_id, foreign])
        faults.append(info.value.fields)
    assert faults[0] == faults[1]
    assert faults[0]["image.1"]["code"] == "not_found"
    with pytest.raises(InvalidPayload) as info:
        await bob.profile.save(image=[his.photo_id, his.photo_id])
    assert info.value.fields["image.1"]["code"] == "duplicate"
    with pytest.raises(InvalidPayload) as info:
        await bob.profile.save(image=["A" * 22] * 6)
    assert info.value.fields["image"]["code"] == "max_items"
    for too_much in ([image()] * 6, [b"x" * 1_000_001]):
        with pytest.raises(ValueError, match="image"):
            await bob.profile.save(image=too_much)
    assert [photo.photo_id for photo in (await bob.profile.me()).photos] == [his.photo_id]
    assert [photo.photo_id for photo in (await alice.profile.me()).photos] == [hers.photo_id]


async def test_what_is_refused_changes_nothing_and_leaves_nothing(alice, server):
    before = (await alice.profile.save(image=[image("red")])).photos
    for wrong in (b"", b"x", b"GIF89a", image("red", kind="GIF"), image("red")[:-200]):
        with pytest.raises(InvalidImage):
            await alice.profile.save(image=[image("green"), wrong], description="changed")
    me = await alice.profile.me()
    assert (me.photos, me.description) == (before, None)
    assert files(server) == await files_of(server, alice)


# -- what needs a photo ------------------------------------------------------------------------------------------------


async def test_without_a_photo_one_is_not_found_and_wishes_for_nobody(alice, bob):
    await alice.profile.save(image=None)
    assert [card.login for card in await bob.research.search()] == []
    assert (await bob.profile.get(alice.id)).photo is None
    for event, fields in (
        ("user/like", {"target_user_id": bob.id}),
        ("user/connect", {"target_id": "bob"}),
        ("notifications", {"user_id": bob.id, "random_id": 1}),
    ):
        with pytest.raises(PhotoRequired):
            await alice.call(event, **fields)
    await alice.profile.save(image=[image("red")])
    assert [card.login for card in await bob.research.search()] == ["alice"]
    await alice.relation.like(bob.id)


# -- URLs --------------------------------------------------------------------------------------------------------------


async def test_a_url_is_the_same_all_day_and_good_until_the_day_after(alice, bob, server, fetch):
    server.clock.advance(DAY - server.clock.time() % DAY)
    await alice.profile.save(image=[image("red")])

    async def url() -> str:
        photo = (await bob.profile.get(alice.id)).photo
        assert photo
        return photo.url["small"]

    first = await url()
    server.clock.advance(DAY - 60)
    assert await url() == first
    assert (await fetch(first)).status == 200
    server.clock.advance(120)
    second = await url()
    assert second != first
    server.clock.advance(DAY - 180)
    assert [(await fetch(each)).status for each in (first, second)] == [200, 200]
    server.clock.advance(120)
    assert [(await fetch(each)).status for each in (first, second)] == [404, 200]


async def test_a_photo_that_is_known_is_not_sent_again(alice, fetch):
    photo = (await alice.profile.save(image=[image("red")])).photo
    assert photo
    answer = await fetch(photo.url["small"])
    again = await fetch(photo.url["small"], **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert (await fetch(photo.url["small"], Accept="image/webp")).headers["ETag"] != answer.headers["ETag"]
    assert answer.headers["Cache-Control"].startswith("private, max-age=")


async def test_a_new_key_signs_and_the_old_one_is_still_read(alice, bob, start_server, fetch):
    photo = (await alice.profile.save(image=[image("red")])).photo
    assert photo
    rotated = await start_server(session={"keys": ["a newer key of tests, as widely known", KEY]})
    async with aiohttp.ClientSession() as session, session.get(rotated.url + urlsplit(photo.url["small"]).path) as got:
        assert got.status == 200
    newer = rotated.app[SERVICES].tokens.seal("photo", b"x")
    assert rotated.app[SERVICES].tokens.unseal("photo", newer) == b"x"
    assert rotated.app[SERVICES].tokens.unseal("another", newer) is None


async def test_urls_stand_in_no_log(alice, server, fetch):
    photo = (await alice.profile.save(image=[image("red")])).photo
    assert photo
    await fetch(photo.url["small"])
    await fetch(photo.url["small"] + "x")
    token = photo.url["small"].split("/")[-2]
    assert not [record for record in server.log if token in record.getMessage() and record.name != "client"]


# -- what is kept ------------------------------------------------------------------------------------------------------


def large(content: bytes) -> Image.Image:
    return opened(process(content).files["large.jpg"]).convert("RGB")


def near(pixel: Any, expected: tuple[int, int, int]) -> bool:
    return all(abs(one - other) <= 12 for one, other in zip(pixel, expected, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_of_every_format_is_taken(kind, mode):
    picture = Image.new("RGB", (300, 200), "white").convert(mode.replace("I;16", "L"))
    if mode == "I;16":
        picture = Image.new("I;16", (300, 200), 65535)
    out = io.BytesIO()
    try:
        picture.save(out, kind)
    except OSError:
        return  # the format has no such mode
    kept = large(out.getvalue())
    assert kept.size == (300, 200)
    assert near(kept.getpixel((150, 100)), (255, 255, 255))


def test_sixteen_bits_keep_their_greys():
    out = io.BytesIO()
    Image.new("I;16", (20, 20), 32768).save(out, "PNG")
    assert near(large(out.getvalue()).getpixel((5, 5)), (128, 128, 128))


@pytest.mark.parametrize(("mode", "options"), [("RGBA", {}), ("LA", {}), ("P", {"transparency": 0})])
def test_what_is_transparent_becomes_white(mode, options):
    out = io.BytesIO()
    Image.new(mode, (20, 20), 0).save(out, "PNG", **options)
    assert near(large(out.getvalue()).getpixel((5, 5)), (255, 255, 255))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_upright(kind):
    picture = Image.new("RGB", (400, 200), "white")
    picture.paste("red", (0, 0, 200, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the left: what is left here belongs on top
    out = io.BytesIO()
    picture.save(out, kind, exif=exif.tobytes(), quality=95)
    kept = large(out.getvalue())
    assert kept.size == (200, 400)
    assert near(kept.getpixel((100, 50)), (255, 0, 0))
    assert near(kept.getpixel((100, 350)), (255, 255, 255))


def test_colours_of_another_space_become_srgb():
    green = Image.new("RGB", (50, 50), (0, 200, 0))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = lab.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    out = io.BytesIO()
    green.save(out, "JPEG", icc_profile=swapped, quality=95)
    red, green_part, _ = large(out.getvalue()).getpixel((25, 25))  # type: ignore[misc]
    assert red > 150 > 80 > green_part
    for nonsense in (b"x" * 200, lab[:100]):
        out = io.BytesIO()
        green.save(out, "JPEG", icc_profile=nonsense, quality=95)
        assert near(large(out.getvalue()).getpixel((25, 25)), (0, 200, 0))


def test_nothing_is_made_larger_and_nothing_vanishes():
    assert {opened(content).size for content in process(image(size=(3, 2))).files.values()} == {(3, 2)}
    sizes = [opened(process(image(size=(9000, 2), kind="PNG")).files[f"{size}.jpg"]).size for size in SIZES]
    assert sizes == [(160, 1), (480, 1), (1080, 1)]


HILLS = bytes(place * 97 % 251 for place in range(49))
WAVES = Image.frombytes("L", (7, 7), HILLS).resize((900, 900), Image.Resampling.BICUBIC)


def test_looks_and_thumbhashes_tell_pictures_apart():
    looks = []
    for picture in (WAVES, WAVES.resize((700, 640)), WAVES.rotate(90), Image.radial_gradient("L")):
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=70)
        looks.append(process(out.getvalue()))
    one, resized, *others = looks
    assert (one.look ^ resized.look).bit_count() <= 3
    assert all((one.look ^ other.look).bit_count() > 3 for other in others)
    assert len({kept.thumbhash for kept in looks[:1] + others}) == 3
    assert all(5 < len(kept.thumbhash) <= 32 for kept in looks)


def test_a_bomb_is_refused_by_its_header():
    out = io.BytesIO()
    Image.new("1", (8000, 8000)).save(out, "PNG")
    with pytest.raises(Unreadable):
        process(out.getvalue())
    assert process(out.getvalue(), most_pixels=64_000_000).files


# -- files -------------------------------------------------------------------------------------------------------------


async def test_files_go_when_nobody_names_them_any_more(alice, server):
    [first, second] = (await alice.profile.save(image=[image("red"), image("blue")])).photos
    assert files(server) == await files_of(server, alice)
    assert len(files(server)) == 2 * len(VARIANTS)
    await alice.profile.save(image=[second.photo_id])
    assert len(files(server)) == 2 * len(VARIANTS)
    await clear_away(server)
    assert files(server) == await files_of(server, alice)
    assert len(files(server)) == len(VARIANTS)
    assert first.photo_id not in str(files(server))
    assert await server.database.fetch("SELECT * FROM photo_trash") == []


async def test_a_file_that_others_name_stays(alice, bob, server, fetch):
    await alice.profile.save(image=None)
    await clear_away(server)
    photo = (await alice.profile.get(bob.id)).photo
    assert photo
    assert (await fetch(photo.url["small"])).status == 200


@pytest.mark.config(photos={"sweep": 0.05})
async def test_files_go_by_themselves(alice, server):
    await alice.profile.save(image=[image("red")])
    await alice.profile.save(image=None)
    async with asyncio.timeout(5):
        while files(server):
            await asyncio.sleep(0.02)


async def test_files_of_an_account_that_is_erased_go_too(alice, server):
    await alice.profile.save(image=[image("red"), image("blue")])
    await server.app[SERVICES].transact(lambda tx: photo.delete_all(tx, user_id=alice.id))
    await clear_away(server)
    assert files(server) == set()
    for table in ("photo", "photo_look", "photo_trash"):
        assert await server.database.fetch(f"SELECT * FROM {table}") == []


async def test_files_of_an_event_that_failed_go_later(alice, bob, server):
    with pytest.raises(AlreadyExists):
        await alice.profile.save(image=[image("red")], new_login="bob", old_pass=alice.password)
    assert len(files(server)) == len(VARIANTS)
    await clear_away(server)
    assert len(files(server)) == len(VARIANTS), "another event could be about to name them"
    server.clock.advance(3600)
    await clear_away(server)
    assert files(server) == set()


async def test_files_that_were_cleared_away_too_early_are_never_named(alice, server):
    async def too_early(files: Any, take_in: Any = server.app[SERVICES].photos._keep) -> Any:
        taken = await take_in(files)
        server.clock.advance(3600)
        await clear_away(server)
        return taken

    server.app[SERVICES].photos._keep = too_early
    with pytest.raises(Unavailable):
        await alice.call("user/save_profile", image=[image("red")])
    assert await files_of(server, alice) == {f"shared-by-all.{variant}" for variant in VARIANTS}


# -- what is alike -----------------------------------------------------------------------------------------------------


async def test_a_photo_like_another_members_waits_for_the_staff_and_shows_nowhere(alice, bob, server):
    out, again = io.BytesIO(), io.BytesIO()
    WAVES.save(out, "PNG")
    WAVES.resize((700, 640)).save(again, "JPEG", quality=70)

    async def cases() -> list[Any]:
        return list(await server.database.fetch("SELECT user_id, reason, about FROM moderation_case"))

    [hers] = (await alice.profile.save(image=[out.getvalue()])).photos
    await alice.profile.save(image=[hers.photo_id, again.getvalue()])
    assert await cases() == [], "one's own"
    await alice.profile.save(image=[hers.photo_id])
    own = await bob.profile.save(image=[again.getvalue()])
    assert await cases() == [(bob.id, 2, own.photos[0].photo_id)]
    assert len(own.photos) == 1
    await alice.profile.save(image=None)
    [other] = (await bob.profile.save(image=[out.getvalue()])).photos
    assert other.photo_id not in str(await cases()), "what has gone is like nothing"


# -- workers -----------------------------------------------------------------------------------------------------------


def workers(server) -> list[Any]:
    return list(server.app[SERVICES].photos._workers._all)


async def test_a_worker_that_dies_is_replaced(alice, server):
    await alice.profile.save(image=[image("red")])
    [worker] = workers(server)
    worker._process.kill()
    await worker._process.wait()
    assert (await alice.profile.save(image=[image("blue")])).photo
    assert workers(server) != [worker]


@pytest.mark.config(photos={"timeout": 0.2})
async def test_an_image_that_takes_too_long_is_refused_and_the_worker_replaced(alice, server):
    await alice.profile.save(image=[image("red")])
    [worker] = workers(server)
    freeze(worker._process.pid)
    with pytest.raises(InvalidImage):
        await alice.profile.save(image=[image("blue")])
    assert worker._process.returncode is not None
    assert (await alice.profile.save(image=[image("green")])).photo


@pytest.mark.config(photos={"timeout": 1.0, "workers": 1, "queue": 2})
async def test_one_person_does_not_keep_the_workers_from_all_others(alice, bob, server):
    await alice.profile.save(image=[image("red")])
    photos = server.app[SERVICES].photos
    [worker] = workers(server)
    worker._process.send_signal(19)
    first = [asyncio.create_task(photos.take_in([image("blue")], of=alice.id)) for _ in range(2)]
    await asyncio.sleep(0)
    third = asyncio.create_task(alice.profile.save(image=[image("blue")]))
    await until(lambda: photos._turns[alice.id]._waiters)
    his = asyncio.create_task(bob.profile.save(image=[image("green")]))
    await until(lambda: photos._workers._room == 0)
    worker._process.send_signal(18)
    assert (await his).photo
    assert len(await asyncio.gather(*first)) == 2
    assert (await third).photo
    assert not photos._turns


@pytest.mark.config(photos={"queue": 1, "timeout": 2.0})
async def test_more_than_the_queue_holds_is_unavailable(alice, bob, carol, server):
    await alice.profile.save(image=[image("red")])
    [worker] = workers(server)
    worker._process.send_signal(19)
    first = [asyncio.create_task(person.profile.save(image=[image("blue")])) for person in (alice, bob)]
    async with asyncio.timeout(5):
        while server.app[SERVICES].photos._workers._room:
            await asyncio.sleep(0.01)
    with pytest.raises(Unavailable):
        await carol.call("user/save_profile", image=[image("blue")])
    worker._process.send_signal(18)
    assert all(own.photo for own in await asyncio.gather(*first))


async def test_workers_end_with_the_server(start_server, people):
    other = await start_server()
    await other.app[SERVICES].photos.take_in([image("red")], of="somebody")
    [worker] = workers(other)
    await other.app[SERVICES].photos.close()
    assert worker._process.returncode is not None


async def test_workers_end_with_a_server_that_is_killed():
    program = """
import asyncio
from server.config import Photos
from server.outside.pictures.workers import Worker
async def main():
    worker = await Worker.start(Photos())
    print(worker._process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert server.stdout
    pid = int(await server.stdout.readline())
    assert lives(pid)
    server.kill()
    await server.wait()
    async with asyncio.timeout(5):
        while lives(pid):
            await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_worker_that_nobody_stops_ends_itself():
    worker = await Worker.start(Photos(timeout=0.02))
    try:
        with pytest.raises(EOFError):
            await worker.ask(image(size=(5000, 5000), kind="PNG"))
    finally:
        await worker.end()
