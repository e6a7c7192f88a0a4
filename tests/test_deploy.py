"""deploy/: proxies in front of a real server, run as they are shipped but for names, ports and certificate; units."""

import asyncio
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.__main__ import cli
from server.config import Config
from server.embedded.child import find_program
from tests.ground.mails import Mails
from tests.ground.photos import image
from tests.ground.program import PATIENCE, ROOT, Program, Start, copied, eventually, free_port
from tests.ground.server import Person
from tests.ground.tls import Certificate, sign

DEPLOY = ROOT / "deploy"
NGINX = """daemon off;
{user}
pid {folder}/nginx.pid;
worker_processes 1;
events {{}}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
TALK = """
import asyncio, json, sys
from client_sdk import Client, MessageNew

async def main(url, tokens, photo):
    async with Client(url, token=tokens["alice"]) as alice, Client(url, token=tokens["bob"]) as bob:
        saved = await alice.profile.save(image=[open(photo, "rb").read()])
        async with bob.expecting(MessageNew) as got:
            await alice.call("message/send", target_user_id=bob.id, random_id=1, message="through the proxy")
            assert (await got).message.message == "through the proxy"
        await asyncio.sleep(0)
        print(saved.photos[0].url["large"])

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]))
"""


class Proxy:
    """A proxy of the shipped kind on ports of its own, which ends with the test."""

    def __init__(self, kind: str, folder: Path, certificate: Certificate) -> None:
        folder.mkdir()
        self.kind, self.folder, self.certificate = kind, folder, certificate
        self.port, self.plain = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, behind: Program, *changes: tuple[str, str]) -> None:
        """Run it in front of a server; `changes` of its configuration are what somebody did wrong."""
        self.stop()
        command = self._nginx(behind.port, changes) if self.kind == "nginx" else self._caddy(behind.port, changes)
        environ = os.environ | {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        for port in (self.port, self.plain):
            eventually(lambda port=port: self.process.poll() is not None or listens(port))  # type: ignore[misc,union-attr]
        assert self.process.poll() is None, (self.folder / "log").read_text()

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def _nginx(self, port: int, changes: Any) -> list[str]:
        site = (DEPLOY / "nginx" / "matcha42.conf").read_text()
        site = re.sub(r"\n *listen \[::\].*", "", site)
        site = site.replace("listen 80;", f"listen 127.0.0.1:{self.plain};")
        site = site.replace("listen 443 ", f"listen 127.0.0.1:{self.port} ")
        site = re.sub(r"/etc/letsencrypt\S+fullchain.pem", str(self.certificate.file), site)
        site = re.sub(r"/etc/letsencrypt\S+privkey.pem", str(self.certificate.key), site)
        site = site.replace("/var/log/nginx", str(self.folder))
        (self.folder / "site.conf").write_text(self._named(site, port, changes))
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, user=user))
        return [program("nginx"), "-e", "stderr", "-c", str(self.folder / "nginx.conf")]

    def _caddy(self, port: int, changes: Any) -> list[str]:
        site = (DEPLOY / "caddy" / "Caddyfile").read_text()
        here = "{\n\tbind 127.0.0.1"
        site = site.replace("http://dating.example.org {", f"http://dating.example.org:{self.plain} {here}")
        tls = f"tls {self.certificate.file} {self.certificate.key}"
        site = site.replace("\ndating.example.org {", f"\ndating.example.org:{self.port} {here}\n\t{tls}")
        options = f"{{\n\tadmin off\n\tauto_https off\n\thttp_port {self.plain}\n\thttps_port {self.port}\n}}\n"
        (self.folder / "Caddyfile").write_text(options + self._named(site, port, changes))
        return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(self.folder / "Caddyfile")]

    def _named(self, text: str, port: int, changes: Any) -> str:
        text = text.replace("dating.example.org", "localhost").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return text


def program(name: str) -> str:
    found = find_program(name)
    assert found, f"{name} is missing: scripts/install.sh test installs it"
    return found


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return sign(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def proxied(tmp_path: Path, certificate: Certificate) -> Iterator[Callable[[str], Proxy]]:
    started: list[Proxy] = []

    def proxied_(kind: str) -> Proxy:
        started.append(Proxy(kind, tmp_path / kind, certificate))
        return started[-1]

    yield proxied_
    for proxy in started:
        proxy.stop()


@pytest.fixture
def serve(start_program: Start, prepared: Path, tmp_path: Path, certificate: Certificate) -> Callable[..., Program]:
    """`serve(proxy)`: a server that is reached through it."""

    def serve_(proxy: Proxy, **environ: str) -> Program:
        data = tmp_path / "data"
        behind = {"MATCHA_SERVER_PUBLIC_URL": proxy.url, "MATCHA_SERVER_PROXIES": '["127.0.0.1/32"]'} | environ
        started = start_program("run", data if data.exists() else copied(prepared, data), **behind)
        eventually(lambda: "matcha42 is ready at" in started.said or started.process.poll() is not None)
        assert started.process.poll() is None, started.said
        return started

    return serve_


@pytest.fixture
def doctor(start_program: Start, certificate: Certificate) -> Callable[..., list[str]]:
    """`doctor(proxy, program)`: what the doctor finds there."""

    def doctor_(proxy: Proxy, behind: Program, proxies: str, trusted: bool = True) -> list[str]:
        environ = {"MATCHA_SERVER_PUBLIC_URL": proxy.url, "MATCHA_SERVER_PROXIES": proxies}
        environ |= {"SSL_CERT_FILE": str(certificate.file)} if trusted else {}
        looked = start_program("doctor --json", behind.data, **environ)
        looked.process.wait(PATIENCE)
        return [finding["check"] for finding in json.loads(looked.said)["findings"]]

    return doctor_


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
async def test_a_community_is_served_through(
    kind: str, proxied: Any, serve: Any, doctor: Any, certificate: Certificate, tmp_path: Path
):
    proxy = proxied(kind)
    behind = serve(proxy)
    proxy.start(behind)
    tokens = await two_people(behind)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(image("red", (1200, 900), quality=100))
    url = await talk(proxy, tokens, photo)
    trusting = ssl.create_default_context(cafile=certificate.file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
        assert url.startswith(f"{proxy.url}/photo/")
        async with session.get(url) as shown:
            assert (shown.status, (await shown.read())[:2]) == (200, b"\xff\xd8")
            assert shown.headers["Strict-Transport-Security"] == "max-age=31536000"
        for path in ("/metrics", "/readyz"):
            async with session.get(proxy.url + path) as hidden:
                assert hidden.status == 404
        async with session.get(f"http://localhost:{proxy.plain}/verify?x=1", allow_redirects=False) as led_on:
            assert (led_on.status, led_on.headers["Location"]) == (301, "https://localhost/verify?x=1")
        async with session.post(f"http://localhost:{proxy.plain}/api/user/login", allow_redirects=False) as plain:
            assert plain.status == 403
        await pretends_in_vain(session, proxy)
    assert await asyncio.to_thread(doctor, proxy, behind, '["127.0.0.1/32"]') == []
    written = [file.read_text() for file in tmp_path.joinpath(kind).glob("*log*")]
    assert not [token for token in tokens.values() for text in written if token in text]


async def two_people(behind: Program) -> dict[str, str]:
    direct = f"http://localhost:{behind.port}"
    async with Person(direct, "alice") as alice, Person(direct, "bob") as bob:
        for person in (alice, bob):
            await person.join(Mails(behind.data / "mail"), image=[image()])
        await alice.relation.like(bob.id)
        await bob.relation.like(alice.id)
        return {"alice": str(alice.token), "bob": str(bob.token)}


async def talk(proxy: Proxy, tokens: dict[str, str], photo: Path) -> str:
    """Have two clients of the SDK, in a process that trusts the certificate, talk over wss; return a photo's URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TALK, proxy.url, json.dumps(tokens), str(photo)),
        env=os.environ | {"SSL_CERT_FILE": str(proxy.certificate.file), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode().strip()


async def pretends_in_vain(session: aiohttp.ClientSession, proxy: Proxy) -> None:
    """Whatever addresses somebody claims to come from, their wrong passwords are counted together."""
    statuses = []
    for number in range(11):
        pretended = f"203.0.113.{number}"
        headers = {"X-Forwarded-For": pretended, "X-Real-IP": pretended, "Forwarded": f"for={pretended}"}
        wrong = {"login": f"nobody-{number}", "password": "seven green teapots"}
        async with session.post(f"{proxy.url}/api/user/login", json=wrong, headers=headers) as answer:
            statuses.append(answer.status)
    assert statuses == [400] * 10 + [429]


def test_the_doctor_finds_what_a_proxy_does_wrong(proxied: Any, serve: Any, doctor: Any):
    proxy = proxied("nginx")
    behind = serve(proxy)
    one, all_ = '["127.0.0.1/32"]', '["0.0.0.0/0"]'
    proxy.start(behind)
    assert doctor(proxy, behind, one, trusted=False) == ["url.answers"]
    proxy.start(behind, ("proxy_set_header Upgrade $http_upgrade;", ""))
    assert doctor(proxy, behind, one) == ["url.websocket"]
    proxy.start(behind, ("proxy_set_header X-Forwarded-For $remote_addr;", 'proxy_set_header X-Forwarded-For "";'))
    assert doctor(proxy, behind, one) == ["url.forwarded"]
    proxy.start(behind, ("proxy_pass http://matcha42;\n        proxy_read_timeout 45s;", "return 200 hello;"))
    assert doctor(proxy, behind, one) == ["url.answers"]
    assert behind.end() == 0
    behind = serve(proxy, MATCHA_SERVER_PROXIES=all_)
    proxy.start(behind, ("X-Forwarded-For $remote_addr", "X-Forwarded-For $proxy_add_x_forwarded_for"))
    assert doctor(proxy, behind, all_) == ["url.forwarded"]


# --- systemd ---


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with this checkout in place of /opt/matcha42."""
    python = tmp_path / "matcha42" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/opt/matcha42", str(tmp_path / "matcha42"))
        (tmp_path / unit.name).write_text(text)
    return sorted(tmp_path.glob("matcha42*.*"))


def systemd_analyze(*arguments: object) -> str:
    command = [program("systemd-analyze"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_understands_the_units(units: list[Path]):
    assert len(units) == 3
    assert systemd_analyze("verify", "--man=no", *units) == ""


def test_the_services_are_well_enclosed(units: list[Path]):
    for unit in units:
        if unit.suffix == ".service":
            systemd_analyze("security", "--offline=true", "--no-pager", "--threshold=20", unit)


ENCLOSE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0, "no new privileges"
if libc.prctl(65, 1, 0, 0, 0) != 0:  # no memory both written and executed; Linux 6.3
    sys.exit(77)
os.umask(0o077)
os.execv(sys.executable, [sys.executable, "-m", "server", "run"])
"""


def test_it_serves_without_memory_that_is_written_and_executed(prepared: Path, tmp_path: Path):
    """What MemoryDenyWriteExecute= does, for the server, its workers and its private servers."""
    data, port = copied(prepared, tmp_path / "data"), free_port()
    environ = {"MATCHA_SERVER_DATA": str(data), "MATCHA_SERVER_PORT": str(port), "MATCHA_DEMO_USERS": "0"}
    environ = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen([sys.executable, "-c", ENCLOSE], cwd=tmp_path, env=environ, stdout=said, stderr=said)
    try:
        eventually(lambda: process.poll() is not None or "is ready" in (tmp_path / "said").read_text())
        if process.poll() == 77:
            pytest.skip("this kernel cannot forbid it")
        asyncio.run(lives(f"http://localhost:{port}", data))
    finally:
        process.terminate()
        process.wait(PATIENCE)
    assert "Traceback" not in (tmp_path / "said").read_text()


async def lives(url: str, data: Path) -> None:
    """Passwords, photos, search: all that brings machine code of its own."""
    async with Person(url, "alice") as alice:
        await alice.join(Mails(data / "mail"), image=[image("red", (900, 900))])
        assert (await alice.profile.me()).photo
        await alice.research.search()


# --- what is written about it ---


def test_every_command_is_written_about_and_no_other():
    text = (ROOT / "docs" / "operating.md").read_text()
    text += "".join(path.read_text() for path in DEPLOY.glob("systemd/*"))
    assert set(re.findall(r"(?:python -m server|[`\n]matcha42) ([a-z-]+)", text)) == set(cli.commands)


def test_each_option_that_is_written_about_is_one():
    text = (ROOT / "docs" / "operating.md").read_text()
    known = {f"{section}.{key}" for section, keys in Config() for key, _ in keys}
    named = re.findall(r"`((?:server|database|redis|session|photos|limits|moderation|demo)\.\w+)", text)
    assert set(named) <= known
    variables = {f"MATCHA_{option.replace('.', '_').upper()}" for option in known}
    assert set(re.findall(r"MATCHA_[A-Z]+_[A-Z_]+", text)) <= variables
