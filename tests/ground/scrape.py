"""What /metrics shows, as a test reads it."""

from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """One look at /metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = [one for family in text_string_to_metric_families(text) for one in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """Return the one value with these labels, among others; 0 where there is none."""
        found = [one.value for one in self.samples if one.name == name and labels.items() <= one.labels.items()]
        assert len(found) <= 1, f"{name} {labels}: {len(found)} values"
        return float(found[0]) if found else 0.0

    def labels(self, name: str) -> dict[str, set[str]]:
        """Return the labels of a metric, and which values each has."""
        seen: dict[str, set[str]] = {}
        for one in self.samples:
            if one.name == name:
                for label, value in one.labels.items():
                    seen.setdefault(label, set()).add(value)
        return seen


async def scrape(server: Any, **headers: str) -> Scraped:
    """Look at what a server shows."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(
            f"{server.url}/metrics", headers={name.replace("_", "-"): text for name, text in headers.items()}
        ) as got,
    ):
        assert got.status == 200, await got.text()
        return Scraped(await got.text())
