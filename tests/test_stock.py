"""Stock Socket.IO clients, JavaScript and Python, that know nothing but the contract, go the whole way."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

from tests.stock.slice import Person, Slice

STOCK = Path(__file__).parent / "stock"
PASSWORD = "correct horse battery"
JAVASCRIPT_STEPS = 19


async def _link(server: Any, address: str) -> str:
    """Return the link in the next mail to an address."""
    mail = await server.mails.wait_for(address)
    found = re.search(r"https?://\S+#ver_id=[^\s\"<]+", mail.get_body(("plain",)).get_content())
    assert found, mail
    return found[0]


async def test_the_stock_python_client_goes_the_whole_way(server: Any) -> None:
    """From registration to logout with socketio.AsyncClient."""
    anna = Person("anna", "anna@example.org", PASSWORD)
    boris = Person("boris", "boris@example.org", PASSWORD)
    await Slice(server.url, anna, boris, lambda address: _link(server, address)).run()


async def test_the_stock_javascript_client_goes_the_whole_way(server: Any) -> None:
    """From registration to logout with socket.io-client on Node."""
    node = shutil.which("node")
    assert node, "Node is missing: install Debian's nodejs, or put a node of version 20 or newer on the PATH"
    assert (STOCK / "node_modules/socket.io-client").is_dir(), f"run `npm ci` in {STOCK}, as `make test` does"
    people = [{"login": name, "mail": f"{name}@example.org", "password": PASSWORD} for name in ("anna", "boris")]
    process = await asyncio.create_subprocess_exec(
        node,
        str(STOCK / "slice.mjs"),
        server.url,
        *map(json.dumps, people),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(30):
            steps = await _follow(server, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert steps[-1] == {"done": True} and process.returncode == 0, "\n".join(map(str, steps))
    assert len(steps) == JAVASCRIPT_STEPS + 1, steps


async def _follow(server: Any, process: asyncio.subprocess.Process) -> list[Any]:
    """Read the program's lines, and hand it the links that it asks for."""
    assert process.stdin and process.stdout
    steps = []
    async for line in process.stdout:
        step = json.loads(line) if line.startswith(b"{") else {"said": line.decode()}
        if "need" in step:
            link = await _link(server, step["mail"])
            process.stdin.write(link.encode() + b"\n")
            await process.stdin.drain()
        else:
            steps.append(step)
    await process.wait()
    return steps
