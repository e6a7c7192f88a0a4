"""Attacks with images: what is no image, what is more than one, what is too much, and what is not one's own."""

import asyncio
import gc
import io
import json
import os
import re
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from server.app import SERVICES
from server.outside.pictures.kept import VARIANTS, Unreadable
from server.outside.pictures.pipeline import process
from tests.ground.accounts import State, set_state
from tests.ground.answers import ok, refused
from tests.ground.freeze import freeze
from tests.ground.healthy import HealthyPair
from tests.ground.photos import image
from tests.ground.waiting import until

PLACEHOLDER = '{"_placeholder":true,"num":0}'
BODY = f'["user/save_profile",{{"image":[{PLACEHOLDER}]}}]'
LARGEST = 1_000_000


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _plain(size: tuple[int, int] = (60, 40)) -> Image.Image:
    return Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 40).convert("RGB")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, *chunks: bytes, depth: int = 1, colour: int = 0, pixels: bytes = b"") -> bytes:
    """A PNG by hand: its header may say anything."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = _chunk(b"IDAT", pixels or zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + _chunk(b"IEND", b"")


# R63: nothing is fetched for anybody


async def test_nothing_that_an_image_names_is_fetched(server: Any, dial: Any, mallory: Any) -> None:
    """R63: addresses in the field, in SVG, in XMP: nobody calls there."""
    calls = []
    listener = await asyncio.start_server(lambda *_: calls.append(1), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/x.jpg"
    socket = await dial(mallory)
    for address in (url, "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "gopher://127.0.0.1:1/_x"):
        refused(await socket.call("user/save_profile", {"image": [address]}), "invalid_payload")
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'.encode()
    xmp = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{url}">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&e;</x:xmpmeta>'.encode()
    refused(await socket.call_raw(BODY, svg), "invalid_image")
    await socket.call_raw(BODY, _saved(_plain(), "WEBP", xmp=xmp))
    await socket.call_raw(BODY, _saved(_plain(), "JPEG", xmp=xmp))
    listener.close()
    assert not calls


# R64: three formats, by their bytes


def _mpo() -> bytes:
    return _saved(_plain(), "MPO", save_all=True, append_images=[_plain()])


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.jpg", image())
    return out.getvalue()


REFUSED: dict[str, Callable[[], bytes]] = {
    **{kind: lambda kind=kind: _saved(_plain(), kind) for kind in ("GIF", "TIFF", "BMP", "ICO", "PDF", "JPEG2000")},
    **{kind: lambda kind=kind: _saved(_plain(), kind) for kind in ("AVIF", "ICNS", "DDS", "EPS", "PPM", "TGA", "PCX")},
    "MPO": _mpo,
    "ZIP": _zip,
    "PSD": lambda: b"8BPS\0\x01" + bytes(6) + b"\0\x03\0\0\0\x10\0\0\0\x10\0\x08\0\x03" + bytes(900),
    "FITS": lambda: b"SIMPLE  =                    T".ljust(2880) + bytes(2880),
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "HTML": lambda: b"<html><script>alert(1)</script></html>",
    "empty": lambda: b"",
    "one byte": lambda: b"\xff",
    "only a head": lambda: image("red")[:20],
    "half": lambda: image("red", (400, 400))[:-300],
    "RIFF": lambda: b"RIFF\x10\0\0\0WEBPVP8 \x04\0\0\0abcd",
    "zeros": lambda: bytes(LARGEST),
    "random": lambda: os.urandom(5000),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_formats_are_refused(kind: str) -> None:
    """R64: whatever it calls itself, only three kinds of bytes are read."""
    with pytest.raises(Unreadable):
        process(REFUSED[kind]())


def test_other_decoders_are_not_even_loaded(tmp_path: Path) -> None:
    """R64: a process that has seen all of them has no more decoders than it began with."""
    paths = []
    for number, make in enumerate(REFUSED.values()):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(make())
    program = """
import sys
from PIL import Image
from server.outside.pictures.pipeline import Unreadable, process
for path in sys.argv[1:]:
    try:
        process(open(path, "rb").read())
    except Unreadable:
        pass
print(*sorted(Image.OPEN))
"""
    done = subprocess.run([sys.executable, "-c", program, *map(str, paths)], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"JPEG", "PNG", "WEBP"} <= loaded <= {"JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "PPM", "MPO", "TIFF"}


async def test_over_the_wire_they_are_invalid_images(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R64: one answer for all, by socket."""
    socket = await dial(mallory)
    for kind in ("GIF", "SVG", "empty", "PSD", "zeros", "half"):
        refused(await socket.call_raw(BODY, REFUSED[kind]()), "invalid_image")
    assert ok(await socket.call("user/me"))["user_id"] == mallory.id


# R65, R66: nothing of the bytes that came is kept

MARK = b"<script>alert('mark')</script>"


def _commented(picture: Image.Image) -> bytes:
    return _saved(picture, "JPEG", comment=MARK)


def _polyglots() -> Iterator[tuple[str, bytes]]:
    jpeg, png, webp = (_saved(_plain(), kind) for kind in ("JPEG", "PNG", "WEBP"))
    yield "JPEG then HTML", jpeg + MARK
    yield "JPEG then ZIP", jpeg + MARK + _zip()
    yield "PNG then PHP", png + b"<?php " + MARK
    yield "WebP then HTML", webp + MARK
    yield "JPEG with a comment", _commented(_plain())
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", MARK.decode())
    text.add_itxt("XML:com.adobe.xmp", MARK.decode())
    text.add_text("Zipped", MARK.decode(), zip=True)
    yield "PNG with texts", _saved(_plain(), "PNG", pnginfo=text)
    unknown = png.replace(b"IDAT", b"IDAT", 1)
    at = unknown.index(b"IDAT") - 4
    yield "PNG with a chunk of its own", unknown[:at] + _chunk(b"maRk", MARK) + unknown[at:]
    yield "animated WebP", _saved(_plain(), "WEBP", save_all=True, append_images=[Image.new("RGB", (60, 40))] * 5)
    yield "animated PNG", _saved(_plain(), "PNG", save_all=True, append_images=[Image.new("RGB", (60, 40))] * 5)
    exif = Image.Exif()
    exif[0x010E], exif[0x9286] = MARK.decode(), MARK
    exif.get_ifd(TiffImagePlugin.GPSIFD if hasattr(TiffImagePlugin, "GPSIFD") else 0x8825)[1] = "N"
    everything = {"exif": exif.tobytes(), "xmp": b"<x:xmpmeta>" + MARK, "icc_profile": MARK * 10}
    yield "JPEG with EXIF, GPS, XMP, ICC", _saved(_plain(), "JPEG", comment=MARK, **everything)
    yield "WebP with EXIF, GPS, XMP, ICC", _saved(_plain(), "WEBP", **everything)
    yield "PNG with EXIF and ICC", _saved(_plain(), "PNG", exif=exif.tobytes(), icc_profile=MARK * 10)
    iptc = b"\xff\xed" + struct.pack(">H", 2 + 14 + len(MARK)) + b"Photoshop 3.0\0" + MARK
    yield "JPEG with IPTC", jpeg[:2] + iptc + jpeg[2:]


POLYGLOTS = dict(_polyglots())


@pytest.mark.parametrize("what", POLYGLOTS)
def test_what_is_kept_is_fresh(what: str) -> None:
    """R65, R66: one frame, no byte beside it, no metadata; in every size and format."""
    kept = process(POLYGLOTS[what])
    assert kept.files.keys() == set(VARIANTS)
    for variant, written in kept.files.items():
        assert b"mark" not in written and MARK[:8] not in written and len(written) < LARGEST
        picture = Image.open(io.BytesIO(written))
        assert getattr(picture, "n_frames", 1) == 1
        assert not picture.getexif()
        assert picture.info.keys().isdisjoint({"exif", "xmp", "icc_profile", "comment", "photoshop"})
        segments = _segments(written) if variant.endswith("jpg") else _riff(written)
        assert segments <= {b"\xe0", b"\xdb", b"\xc2", b"\xc0", b"\xc4", b"\xda", b"VP8 ", b"VP8L"}, what
        picture.load()


def _segments(jpeg: bytes) -> set[bytes]:
    """Return the markers of a JPEG, which must end where the picture does."""
    assert jpeg[:2] == b"\xff\xd8" and jpeg[-2:] == b"\xff\xd9"
    found, at = set(), 2
    while at < len(jpeg) - 2:
        marker = jpeg[at + 1 : at + 2]
        found.add(marker)
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if marker == b"\xda":  # what follows is no segment, up to the next marker
            ahead = re.compile(rb"\xff[^\x00\xd0-\xd7]").search(jpeg, at)
            assert ahead
            at = ahead.start()
    return found


def _riff(webp: bytes) -> set[bytes]:
    """Return the chunks of a WebP, which must fill it."""
    assert int.from_bytes(webp[4:8], "little") == len(webp) - 8
    found, at = set(), 12
    while at < len(webp):
        found.add(webp[at : at + 4])
        size = int.from_bytes(webp[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return found


# R67: bombs


def _frames(kind: str, count: int) -> bytes:
    frames = [Image.new("L", (2, 2), number % 256) for number in range(count)]
    return _saved(frames[0], kind, save_all=True, append_images=frames[1:])


def _scans(count: int) -> bytes:
    """A progressive JPEG of so many scans, most of them the same."""
    jpeg = _saved(_plain((2000, 2000)), "JPEG", progressive=True, quality=30)
    last = jpeg.rindex(b"\xff\xda")
    table = jpeg.rindex(b"\xff\xc4", 0, last)
    return jpeg[:-2] + jpeg[table:-2] * count + jpeg[-2:]


@cache
def _zeros() -> bytes:
    return zlib.compress(bytes(200_000_000), 9)


BOMBS: dict[str, Callable[[], bytes]] = {
    "50,000 × 50,000": lambda: _png(50_000, 50_000, pixels=zlib.compress(bytes(50_000_000), 9)),
    "1 × 10⁹": lambda: _png(1, 10**9),
    "10⁹ × 1": lambda: _png(10**9, 1),
    "zTXt": lambda: _png(8, 8, _chunk(b"zTXt", b"x\0\0" + _zeros())),
    "iTXt": lambda: _png(8, 8, _chunk(b"iTXt", b"x\0\1\0\0\0" + _zeros())),
    "iCCP": lambda: _png(8, 8, _chunk(b"iCCP", b"x\0\0" + _zeros())),
    "many zTXt": lambda: _png(8, 8, *[_chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1_000_000), 9))] * 300),
    "pixels without end": lambda: _png(8, 8, pixels=_zeros()),
    "100 scans": lambda: _scans(100),
    "a wide WebP": lambda: b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + b"\xff\x3f\0\xff\x3f\0" + b"VP8 \0\0\0\0",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_next_to_nothing(bomb: str) -> None:
    """R67: pixels, scans and texts without end are refused at once, or cost no more than a picture does."""
    content = BOMBS[bomb]()
    started = time.perf_counter()
    try:
        process(content)
    except Unreadable:
        pass
    else:
        assert bomb in ("zTXt", "iTXt", "iCCP", "many zTXt", "pixels without end")
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_a_thousand_frames_the_first_is_taken(kind: str) -> None:
    """R67: an animation costs what its first frame does."""
    content = _frames(kind, 1000)
    started = time.perf_counter()
    assert process(content).files
    assert time.perf_counter() - started < 1


async def test_twenty_bombs_at_once_disturb_nobody(
    server: Any, dial: Any, healthy: HealthyPair, mallory: Any, carol: Any
) -> None:
    """R67: people chat on, memory does not grow, and the next photo is taken."""
    bombs = [make() for make in BOMBS.values()]
    bombs = [bomb for bomb in bombs if len(bomb) <= LARGEST] * 2
    sockets = [await dial(person) for person in (mallory, carol) for _ in range(5)]
    gc.collect()
    before = _resident()
    calls = [sockets[number % len(sockets)].call_raw(BODY, bomb, timeout=20) for number, bomb in enumerate(bombs)]
    for answer in await asyncio.gather(*calls):
        refused(answer, "invalid_image", "unavailable", "rate_limited") if answer["code"] != 200 else None
    gc.collect()
    assert _resident() - before < 40_000_000
    ok(await sockets[0].call_raw(BODY, image("red")))


async def test_a_worker_that_is_killed_at_work_takes_nobody_with_it(
    server: Any, dial: Any, healthy: HealthyPair, mallory: Any, carol: Any
) -> None:
    """R67: whoever's image it was is refused, the next one is taken."""
    socket, other = await dial(mallory), await dial(carol)
    ok(await socket.call_raw(BODY, image("red")))
    [worker] = server.app[SERVICES].photos._workers._all
    freeze(worker._process.pid)
    first = asyncio.create_task(socket.call_raw(BODY, image("green")))
    await until(lambda: not server.app[SERVICES].photos._workers._idle)
    second = asyncio.create_task(other.call_raw(BODY, image("blue")))
    worker._process.kill()
    refused(await first, "invalid_image")
    ok(await second)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


# R08, R09: bytes on their way in


@pytest.mark.config(photos={"arriving": 20_000_000})
async def test_bytes_on_their_way_in_are_bounded(server: Any, dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R09: one caller keeps a share at most, all together no more than there is room for; it is given back."""
    header = f'455-1["user/registr",{{"image":[{PLACEHOLDER}]}}]'
    [first, second] = [await dial() for _ in range(2)]
    await first.send(header)
    await first.send(b"x" * LARGEST)
    await until(lambda: _kept(server) == LARGEST)
    await second.send(header)
    for _ in range(5):
        await second.send(b"x" * LARGEST)
    refused(await second.answer(1), "rate_limited")
    assert _kept(server) == LARGEST, "what is refused is not kept"
    await first.abort()
    await until(lambda: not _kept(server) and not server.gateway.room._taken)
    await second.send(header.replace("455-1", "455-2"))
    for _ in range(5):
        await second.send(b"x" * LARGEST)
    refused(await second.answer(2), "invalid_payload")
    assert not server.gateway.room._taken


def _kept(server: Any) -> int:
    halves = [connection.half for connection in server.gateway.connections.values() if connection.half]
    return sum(len(part) for half in halves for part in half.packet.attachments)


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100, "mails_mailbox": 100})
async def test_floods_come_before_bytes(server: Any, dial: Any, mallory: Any) -> None:
    """R08: who is too fast is refused by the header; the bytes that follow are counted and dropped."""
    socket = await dial(mallory)
    for number in range(30):
        await socket.send(f'452-{number}["user/save_profile",{{"image":[{PLACEHOLDER}]}}]')
        await socket.send(b"x" * 1000)
        await socket.send(b"y" * 1000)
    names = {(await socket.answer(number))["error"]["name"] for number in range(30)}
    assert "rate_limited" in names
    assert not server.gateway.room._taken


async def test_a_body_with_images_that_does_not_arrive_is_not_waited_for(
    server: Any, monkeypatch: pytest.MonkeyPatch, alice: Any
) -> None:
    """R09 over HTTP: the room that it took is given back."""
    monkeypatch.setattr("server.http._IMAGES_WITHIN", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = "POST /api/user/save_profile HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
    writer.write(f'{head}\r\nContent-Length: 5000000\r\n\r\n{{"image": ["'.encode())
    assert b"400 Bad Request" in await asyncio.wait_for(reader.readline(), 5)
    assert not server.gateway.room._taken
    writer.close()


# R42, R68, R85: whose photos, and how many


async def test_photos_of_others_can_be_neither_taken_nor_removed(
    server: Any, dial: Any, alice: Any, mallory: Any, people: Any
) -> None:
    """R42: a foreign id is no better than one that never was, byte for byte; not a row changes."""
    own = await alice.profile.save(image=[image("red"), image("blue")])
    socket = await dial(mallory)
    before = await _rows(server)
    answers = set()
    for foreign in (own.photos[0].photo_id, own.photos[1].photo_id, "A" * 22):
        answers.add(json.dumps(await socket.call("user/save_profile", {"image": [foreign]})))
        both = f'["user/save_profile",{{"image":[{PLACEHOLDER},"{foreign}"]}}]'
        refused(await socket.call_raw(both, image()), "invalid_payload")
    assert len(answers) == 1, answers
    taken = {"login": "newcomer", "mail": "n@example.org", "password": "correct horse battery"}
    names = {"first_name": "N", "last_name": "N", "image": [own.photos[0].photo_id]}
    refused(await socket.call("user/registr", taken | names), "invalid_payload")
    assert await _rows(server) == before


async def _rows(server: Any) -> list[Any]:
    return [await server.database.fetch(f"SELECT * FROM {table}") for table in ("photo", "photo_look", "profile")]


async def test_twenty_uploads_at_once_leave_five_photos_at_most(
    server: Any, dial: Any, healthy: HealthyPair, mallory: Any
) -> None:
    """R68, R85d: over several sockets and HTTP; and no file that nobody names."""
    sockets = [await dial(mallory) for _ in range(4)]
    five = ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(5))
    body = f'["user/save_profile",{{"image":[{five}]}}]'
    pictures = [image(colour) for colour in ("red", "green", "blue", "white", "gray")]
    headers = {"Authorization": f"Bearer {mallory.token}"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:

        async def post() -> dict[str, Any]:
            fields = {"image": [b64encode(picture).decode() for picture in pictures]}
            async with session.post("/api/user/save_profile", json=fields) as response:
                answer: dict[str, Any] = await response.json()
                return answer

        calls = [socket.call_raw(body, *pictures, timeout=20) for socket in sockets for _ in range(4)]
        answers = await asyncio.gather(*calls, *(post() for _ in range(4)))
    assert any(answer["code"] == 200 for answer in answers)
    for answer in answers:
        if answer["code"] != 200:
            refused(answer, "unavailable", "rate_limited")
    rows = await server.database.fetch("SELECT position, file FROM photo WHERE user_id = %s", mallory.id)
    assert sorted(position for position, _ in rows) == [0, 1, 2, 3, 4]
    server.clock.advance(3600)
    photos = server.app[SERVICES].photos
    while await photos._transact(photos._clear):
        pass
    assert _files(server) - {"shared-by-all"} == {file for _, file in rows}


def _files(server: Any) -> set[str]:
    return {path.name.partition(".")[0] for path in (server.config.server.data / "photos").rglob("*.*")}


async def test_a_disk_that_fails_leaves_nothing_behind(server: Any, dial: Any, mallory: Any, tmp_path: Path) -> None:
    """R68: the answer is `unavailable`, no row names what is not there, and later it works again."""
    folder = server.config.server.data / "photos"
    aside = folder.rename(folder.with_name("aside"))
    folder.write_text("a file where a folder should be")
    socket, before = await dial(mallory), await _rows(server)
    refused(await socket.call_raw(BODY, image("red")), "unavailable")
    assert await _rows(server) == before
    folder.unlink()
    aside.rename(folder)
    ok(await socket.call_raw(BODY, image("red")))


# R69, R70: who may fetch

PATHS = """
    /photo /photo/ /photos /photos/ /photo/x /photo/x/small /photo/../../etc/passwd /photo/%2e%2e%2f%2e%2e%2fetc/passwd
    /photo/x/../../../etc/passwd /photo/%2fetc%2fpasswd/small /photo//etc/passwd/small /photo/x%00/small /var/photos/
    /photo/x/small.jpg /photo/x/%2e%2e/small /static/photos/x
""".split()


async def test_no_path_reaches_the_disk(server: Any, dial: Any, alice: Any) -> None:
    """R69: whatever is asked for is not found, in the words for every path that there is not."""
    photo = (await alice.profile.save(image=[image("red")])).photo
    path = urlsplit(photo.url["small"]).path
    file = next(iter(_files(server) - {"shared-by-all"}))
    paths = [*PATHS, f"/photo/{file}/small", f"/photo/{file[:2]}/{file}.small.jpg", path.replace("small", "huge")]
    paths += [path + "/", path + ".jpg", path.replace("/small", "/..%2fsmall"), f"/photo/{'A' * 5000}/small"]
    nothing = await _raw(server, "/no/such/path")
    assert nothing[0] == 404
    for asked in paths:
        assert await _raw(server, asked) == nothing, asked
    status, headers, _ = await _raw(server, path)
    assert status == 200
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "image/jpeg"


async def _raw(server: Any, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Ask for a path as it stands, and return what comes but for the time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    headers.pop("Date", None)
    return int(status.split()[1]), headers, body


async def test_a_url_of_another_is_of_no_use_to_change(server: Any, alice: Any, bob: Any) -> None:
    """R70: not a letter of it can be changed, cut or added."""
    await alice.profile.save(image=[image("red")])
    photo = (await bob.profile.get(alice.id)).photo
    path = urlsplit(photo.url["small"]).path
    assert (await _raw(server, path))[0] == 200
    _, _, token, size = path.split("/")
    nothing = await _raw(server, "/no/such/path")
    for place in range(len(token)):
        other = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert server.app[SERVICES].photos.read(other) is None
    for other in (token[:-1], token + "A", token + "=", token[1:], token + "%00", token.swapcase(), "A" * len(token)):
        assert await _raw(server, f"/photo/{other}/{size}") == nothing


async def test_who_may_not_see_a_photo_any_more_finds_nothing(
    server: Any, alice: Any, bob: Any, people: Any, mallory: Any
) -> None:
    """R70: after a removal, a block of either, a ban or an end of either, the URL is as good as none."""
    nothing = await _raw(server, "/no/such/path")

    async def path(viewer: Any, owner: Any) -> str:
        photo = (await viewer.profile.get(owner.id)).photo
        url: str = urlsplit(photo.url["large"]).path
        return url

    async def gone(url: str) -> bool:
        return await _raw(server, url) == nothing and await _raw(server, url.replace("large", "small")) == nothing

    own = await alice.profile.save(image=[image("red"), image("blue")])
    seen, others = await path(bob, alice), await path(mallory, alice)
    await alice.profile.save(image=[own.photos[1].photo_id])
    assert await gone(seen) and await gone(others)

    seen, others = await path(bob, alice), await path(mallory, alice)
    await alice.relation.block(bob.id)
    assert await gone(seen) and not await gone(others)
    await alice.relation.unblock(bob.id)
    assert not await gone(seen)
    await bob.relation.block(alice.id)
    assert await gone(seen)
    await bob.relation.unblock(alice.id)

    carol, dave = await people("carol"), await people("dave")
    by_carol, of_carol = await path(carol, alice), await path(bob, carol)
    by_dave, of_dave = await path(dave, alice), await path(bob, dave)
    assert not await gone(by_carol)
    await set_state(server, carol, State.BANNED)
    await set_state(server, dave, State.DELETED)
    assert [await gone(url) for url in (by_carol, of_carol, by_dave, of_dave)] == [True] * 4
    assert not await gone(others)


async def test_without_the_database_nobody_sees_a_photo(server: Any, alice: Any) -> None:
    """R70: what can't be checked is not shown; what is not on the disk is not found."""
    photo = (await alice.profile.save(image=[image("red")])).photo
    path = urlsplit(photo.url["small"]).path
    async with server.database_down():
        assert (await _raw(server, path))[0] == 503
    [file] = _files(server) - {"shared-by-all"}
    for variant in VARIANTS:
        (server.config.server.data / "photos" / file[:2] / f"{file}.{variant}").unlink()
    assert await _raw(server, path) == await _raw(server, "/no/such/path")
