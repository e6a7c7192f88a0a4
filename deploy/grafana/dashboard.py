"""Writes the dashboard beside this file: `python deploy/grafana/dashboard.py`. What it shows is the table below."""

import json
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).with_name("matcha42.json")
_WIDTH, _HEIGHT = 24, 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_FAILED = 'outcome=~"internal|unavailable"'


class Panel(NamedTuple):
    """One graph: its title, its unit, for each line its legend and its query, and what there is to say of it."""

    title: str
    unit: str
    lines: dict[str, str]
    text: str = ""


def _of(metric: str, where: str = "") -> str:
    """Return a metric of the servers that are chosen above the dashboard."""
    return f'{metric}{{job=~"$job",instance=~"$instance"{where and "," + where}}}'


def _all(function: str, metric: str, by: str = "") -> str:
    return f"{function}{by and f' by ({by}) '}({_of(metric)})"


def _rate(metric: str, by: str = "", where: str = "", *, function: str = "rate") -> str:
    """Return how fast a counter grows, of all servers together; `increase` is by how much between two points."""
    return f"sum{by and f' by ({by}) '}({function}({_of(metric, where)}[$__rate_interval]))"


def _quantile(part: float, metric: str, by: str = "") -> str:
    return f"histogram_quantile({part}, {_rate(f'{metric}_bucket', f'le, {by}' if by else 'le')})"


ROWS = {
    "At a glance": [
        Panel("Ready", "bool_yes_no", {"{{instance}} {{part}}": _of("matcha_ready")}, "What /readyz says."),
        Panel("Sockets", "short", {"{{kind}}": _all("sum", "matcha_sockets", "kind")}),
        Panel("Events", "reqps", {"events": _rate("matcha_events_total")}),
        Panel(
            "Failed",
            "percentunit",
            {"of all": f"{_rate('matcha_events_total', where=_FAILED)} / {_rate('matcha_events_total')}"},
            "The share of events that ended by our fault, or that of what we lean on.",
        ),
    ],
    "Events": [
        Panel("By name", "reqps", {"{{event}}": f"topk(12, {_rate('matcha_events_total', 'event')})"}),
        Panel("Refused", "reqps", {"{{outcome}}": _rate("matcha_events_total", "outcome", 'outcome!="ok"')}),
        Panel(
            "How long they take",
            "s",
            {"half": _quantile(0.5, "matcha_event_seconds"), "99 of 100": _quantile(0.99, "matcha_event_seconds")},
        ),
        Panel(
            "The slowest",
            "s",
            {"{{event}}": f"topk(8, {_quantile(0.99, 'matcha_event_seconds', 'event')})"},
            "99 of 100 of each event take less. Those that check a password are slow on purpose.",
        ),
        Panel("Limits reached", "reqps", {"{{limit}}": f"{_rate('matcha_limits_reached_total', 'limit')} > 0"}),
        Panel("Sign-ins", "reqps", {"{{outcome}}": _rate("matcha_events_total", "outcome", 'event="user/login"')}),
    ],
    "Pushes": [
        Panel(
            "By way",
            "reqps",
            {"{{way}}": _rate("matcha_pushes_total", "way")},
            "live: as it happened; log: read from the database; whisper, presence: kept nowhere.",
        ),
        Panel(
            "Behind the log",
            "short",
            {"all": _all("sum", "matcha_log_lag"), "the farthest": _all("max", "matcha_log_lag_largest")},
            "Pushes that sockets have still to be sent.",
        ),
        Panel("Found by the tailer", "short", {"pushes": _rate("matcha_tailer_repairs_total", function="increase")}),
        Panel("Hints", "reqps", {"{{fate}}": _rate("matcha_hints_total", "fate")}),
        Panel("Sent", "Bps", {"bytes": _rate("matcha_sent_bytes_total")}),
        Panel(
            "Slow readers",
            "bytes",
            {"all": _all("sum", "matcha_backlog_bytes"), "the slowest": _all("max", "matcha_backlog_largest_bytes")},
        ),
    ],
    "Queues": [
        Panel("Waiting", "short", {"{{queue}}": _all("max", "matcha_waiting", "queue")}),
        Panel("The oldest mail", "s", {"age": _all("max", "matcha_mail_oldest_seconds")}),
        Panel("Mails", "reqps", {"{{outcome}}": _rate("matcha_mails_total", "outcome")}),
        Panel(
            "Size of batches",
            "short",
            {"{{batch}}": f"{_rate('matcha_batch_size_sum', 'batch')} / {_rate('matcha_batch_size_count', 'batch')}"},
        ),
    ],
    "Database and Redis": [
        Panel(
            "Connections",
            "short",
            {
                "in use": _all("sum", "matcha_pool_in_use"),
                "idle": _all("sum", "matcha_pool_idle"),
                "waiting": _all("sum", "matcha_pool_waiting"),
                "at most": _all("sum", "matcha_pool_size"),
            },
        ),
        Panel(
            "Waiting for a connection",
            "s",
            {"a second": _rate("matcha_pool_wait_seconds_sum")},
            "Seconds that events spend waiting, in each second, all together.",
        ),
        Panel("Begun anew", "reqps", {"{{reason}}": _rate("matcha_transaction_retries_total", "reason")}),
        Panel("Redis lost and found", "short", {"times": _rate("matcha_redis_reconnects_total", function="increase")}),
    ],
    "Process": [
        Panel(
            "Lateness of the event loop",
            "s",
            {
                "half": _quantile(0.5, "matcha_loop_lag_seconds"),
                "99 of 100": _quantile(0.99, "matcha_loop_lag_seconds"),
            },
        ),
        Panel("Processor", "percentunit", {"{{instance}}": _rate("process_cpu_seconds_total", "instance")}),
        Panel("Memory", "bytes", {"{{instance}}": _of("process_resident_memory_bytes")}),
        Panel(
            "Open files",
            "short",
            {"{{instance}}": _of("process_open_fds"), "{{instance}} at most": _of("process_max_fds")},
        ),
        Panel(
            "Loops that failed",
            "short",
            {"{{loop}}": _rate("matcha_background_failures_total", "loop", function="increase")},
        ),
        Panel(
            "What runs",
            "short",
            {"{{version}}, schema {{schema}}": _all("count", "matcha_build_info", "version, schema")},
        ),
    ],
}


def _panel(panel: Panel, place: int, top: int) -> dict[str, Any]:
    width = _WIDTH // 2
    targets = [
        {"datasource": _SOURCE, "expr": query, "legendFormat": legend, "refId": chr(ord("A") + number)}
        for number, (legend, query) in enumerate(panel.lines.items())
    ]
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": width, "x": place % 2 * width, "y": top + place // 2 * _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


def _variable(name: str, query: str, **more: Any) -> dict[str, Any]:
    every = {"includeAll": True, "multi": True, "current": {"text": "All", "value": "$__all"}}
    return {"name": name, "type": "query", "datasource": _SOURCE, "query": query, "refresh": 2} | every | more


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append({"type": "row", "title": title, "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": top}, "panels": []})
        panels += [_panel(panel, place, top + 1) for place, panel in enumerate(row)]
        top += 1 + (len(row) + 1) // 2 * _HEIGHT
    for number, panel in enumerate(panels, start=1):
        panel["id"] = number
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    variables = [
        source,
        _variable("job", "label_values(matcha_build_info, job)"),
        _variable("instance", 'label_values(matcha_build_info{job=~"$job"}, instance)'),
    ]
    return {
        "uid": "matcha42",
        "title": "matcha42",
        "tags": ["matcha42"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": variables},
        "panels": panels,
    }


def text() -> str:
    """Return the file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
