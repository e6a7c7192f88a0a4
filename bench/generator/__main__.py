"""The generator as a process: a job a line on standard input, its result a line on standard output."""

import asyncio
import json
import sys
import traceback

import uvloop

from bench.generator import (  # noqa: F401  (each import adds its jobs)
    chat,
    closed,
    errands,
    hold,
    open,
    searches,
    storm,
    talk,
)
from bench.generator.jobs import jobs
from server.listen import allow_many_sockets


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        try:
            result = {"result": await jobs[asked["job"]](**asked["parameters"])}
        except Exception:
            result = {"fault": traceback.format_exc()}
        print(json.dumps(result), flush=True)


allow_many_sockets()
uvloop.run(_serve())
