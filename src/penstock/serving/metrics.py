"""What the server counts, and its text form for Prometheus. One thread writes each number, so there are no locks."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import asdict, dataclass, field

BOUNDS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram's buckets: a prediction takes tenths of a millisecond, a SQL query seconds."""


@dataclass(slots=True)
class Histogram:
    """How many requests fell under each bound (the last count: above all), and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))
    sum_seconds: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one request."""
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.sum_seconds += seconds


@dataclass(slots=True)
class RequestCounts:
    """What became of the share of requests that is logged: how many rows were kept, how many requests dropped because
    too many waited, how many rows lost because they could not be written. Each number has one thread that counts."""

    kept: int = 0
    dropped: int = 0
    lost: int = 0


@dataclass(slots=True)
class Metrics:
    """All counts since the server started."""

    requests: defaultdict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    latency: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    predictions: defaultdict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    logged: RequestCounts = field(default_factory=RequestCounts)

    def observe(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests[endpoint, status] += 1
        self.latency[endpoint].observe(seconds)

    def text(self) -> str:
        """Return everything in Prometheus' text format 0.0.4."""
        lines = ["# HELP penstock_requests_total Answered requests.", "# TYPE penstock_requests_total counter"]
        for (endpoint, status), count in sorted(self.requests.items()):
            lines.append(f'penstock_requests_total{{endpoint="{endpoint}",status="{status}"}} {count}')
        lines += [
            "# HELP penstock_predictions_total Predicted instances by model version.",
            "# TYPE penstock_predictions_total counter",
        ]
        for (model, version), count in sorted(self.predictions.items()):
            lines.append(f'penstock_predictions_total{{model="{escaped(model)}",version="{version}"}} {count}')
        lines += [
            "# HELP penstock_requests_logged_total What became of the share of requests that is logged.",
            "# TYPE penstock_requests_logged_total counter",
            *(f'penstock_requests_logged_total{{outcome="{name}"}} {n}' for name, n in asdict(self.logged).items()),
        ]
        lines += ["# HELP penstock_request_seconds Time to answer.", "# TYPE penstock_request_seconds histogram"]
        for endpoint, histogram in sorted(self.latency.items()):
            lines += _histogram_lines("penstock_request_seconds", endpoint, histogram)
        return "\n".join(lines) + "\n"


def _histogram_lines(name: str, endpoint: str, histogram: Histogram) -> list[str]:
    lines, total = [], 0
    for bound, count in zip((*map(repr, BOUNDS_SECONDS), "+Inf"), histogram.counts, strict=True):
        total += count
        lines.append(f'{name}_bucket{{endpoint="{endpoint}",le="{bound}"}} {total}')
    lines.append(f'{name}_sum{{endpoint="{endpoint}"}} {histogram.sum_seconds!r}')
    lines.append(f'{name}_count{{endpoint="{endpoint}"}} {total}')
    return lines


def escaped(label: str) -> str:
    """Return the value of a label as it is written."""
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
