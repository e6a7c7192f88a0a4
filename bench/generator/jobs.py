"""What the generator can be asked for: each job is a coroutine, by its name; parameters and result are JSON."""

from collections.abc import Awaitable, Callable
from typing import Any

Job = Callable[..., Awaitable[Any]]
jobs: dict[str, Job] = {}


def job(work: Job) -> Job:
    """Register a job under the name of its function."""
    jobs[work.__name__] = work
    return work
