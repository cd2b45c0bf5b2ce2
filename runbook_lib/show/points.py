"""The latency exhibit's data as records: requests over time, percentiles, and the same in buckets for plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.core.model import Json
from runbook_lib.core.percentile import percentile
from runbook_lib.show.text import finite_number, one_line, parse_moment


@dataclass(frozen=True)
class Point:
    """One request: when it began, how long it took, whether it failed."""

    at: datetime
    ms: float
    failed: bool = False


@dataclass(frozen=True)
class Mark:
    """Something that happened at a moment, in words."""

    at: datetime
    label: str


@dataclass(frozen=True)
class Latency:
    """What the plot draws. Points and marks in order of time; `undrawn` counts points without a usable time or duration."""

    points: tuple[Point, ...]
    since: datetime | None
    until: datetime | None
    baseline_p95_ms: float | None
    deployments: tuple[Mark, ...]
    request: Point | None
    undrawn: int

    def within(self) -> list[Point]:
        """The points of the window; all of them where there is no window."""
        return [
            point
            for point in self.points
            if (self.since is None or point.at >= self.since) and (self.until is None or point.at <= self.until)
        ]


@dataclass(frozen=True)
class Bucket:
    """A stretch of time: how many requests, how many failed, and their percentiles in milliseconds."""

    since: datetime
    count: int
    failed: int
    p50_ms: float
    p95_ms: float


def read_latency(data: Mapping[str, Json]) -> Latency:
    """The exhibit's data as records; what has no time or no duration is counted, not guessed."""
    given = list(data.get("points") or ())
    points = sorted((point for point in map(_point, given) if point is not None), key=lambda point: point.at)
    window = data.get("window") or {}
    marks = [
        Mark(at, one_line(each.get("label") or "deployment", 60))
        for each in data.get("deployments") or ()
        if (at := parse_moment(each.get("at"))) is not None
    ]
    return Latency(
        points=tuple(points),
        since=parse_moment(window.get("since")),
        until=parse_moment(window.get("until")),
        baseline_p95_ms=finite_number(data.get("baseline_p95_ms")),
        deployments=tuple(sorted(marks, key=lambda mark: mark.at)),
        request=_point(data["request"]) if data.get("request") else None,
        undrawn=len(given) - len(points),
    )


def _point(given: Mapping[str, Json]) -> Point | None:
    at, ms = parse_moment(given.get("at")), finite_number(given.get("ms"))
    return None if at is None or ms is None or ms < 0 else Point(at, ms, bool(given.get("failed")))


def buckets(points: Sequence[Point], most: int = 12) -> list[Bucket]:
    """Equal stretches of time from the first to the last point, those without a request included."""
    if not points:
        return []
    first, last = points[0].at, points[-1].at
    count = min(most, len(points))
    step = max((last - first) / count, timedelta(milliseconds=1))
    held: list[list[Point]] = [[] for _ in range(count)]
    for point in points:
        held[min(count - 1, int((point.at - first) / step))].append(point)
    return [_bucket(first + step * at, some) for at, some in enumerate(held)]


def _bucket(at: datetime, points: Sequence[Point]) -> Bucket:
    took = [point.ms for point in points] or [0.0]
    return Bucket(at, len(points), sum(point.failed for point in points), percentile(took, 50), percentile(took, 95))
