"""The latency exhibit: requests over time with failures, percentiles, deployments and the request that the run is about."""

from collections.abc import Mapping

from runbook_lib.core.model import Json
from runbook_lib.core.percentile import percentile
from runbook_lib.show.display import Display
from runbook_lib.show.html import join, picture, preformatted, tag
from runbook_lib.show.points import Bucket, Latency, buckets, read_latency
from runbook_lib.show.text import format_duration, plural, text_grid

EIGHTHS = " ▏▎▍▌▋▊▉"


def latency(data: Mapping[str, Json]) -> Display:
    """Latency over time: `{points, window, baseline_p95_ms, deployments, request}`, times in ISO 8601, durations in ms."""
    seen = read_latency(data)
    plain = latency_text(seen)
    if not seen.points and seen.request is None:
        return Display(plain, tag("p", plain))
    from runbook_lib.show.latency_figure import draw_latency

    png = draw_latency(seen)
    words = tag("details", tag("summary", "the same as text"), preformatted(plain))
    return Display(plain, join([picture(png, f"Latency over time: {summary(seen)}"), words]), png)


def summary(seen: Latency) -> str:
    """`142 requests in the window, 12 failed, p50 340 ms, p95 2.1 s (before: 480 ms)`."""
    within = seen.within()
    taken = [point.ms for point in within]
    said = f"{plural(len(within), 'request')}{' in the window' if seen.since or seen.until else ''}"
    said += f", {sum(point.failed for point in within):,} failed"
    if taken:
        said += f", p50 {format_duration(percentile(taken, 50))}, p95 {format_duration(percentile(taken, 95))}"
    if seen.baseline_p95_ms is not None:
        said += f", p95 before {format_duration(seen.baseline_p95_ms)}"
    return said


def undrawn_in_words(seen: Latency) -> str:
    """How many requests could not be drawn; empty where all could."""
    return f"{plural(seen.undrawn, 'request')} without time or duration not drawn" if seen.undrawn else ""


def latency_text(seen: Latency) -> str:
    """The summary, then a line per stretch of time."""
    lines = [summary(seen)]
    if seen.points:
        stretches = buckets(seen.points)
        most = max(each.p95_ms for each in stretches) or 1.0
        rows = [_row(each, most) for each in stretches]
        lines.append(
            text_grid(["from (UTC)", "p95", "", "p50", "requests", "failed"], rows, right=frozenset({2, 3, 4, 5}))
        )
    lines += [f"deployed {mark.at:%Y-%m-%d %H:%M:%S} UTC  {mark.label}" for mark in seen.deployments]
    if seen.request is not None:
        failed = ", failed" if seen.request.failed else ""
        lines.append(
            f"this request {seen.request.at:%Y-%m-%d %H:%M:%S} UTC  {format_duration(seen.request.ms)}{failed}"
        )
    return "\n".join([*lines, undrawn_in_words(seen)]).rstrip()


def _row(each: Bucket, most_ms: float) -> list[str]:
    if not each.count:
        return [f"{each.since:%m-%d %H:%M:%S}", "", "", "", "0", ""]
    whole, rest = divmod(round(each.p95_ms / most_ms * 80), 8)
    bar = "█" * whole + EIGHTHS[rest].strip()
    failed = f"{each.failed:,}" if each.failed else ""
    since = f"{each.since:%m-%d %H:%M:%S}"
    return [since, bar or "▏", format_duration(each.p95_ms), format_duration(each.p50_ms), f"{each.count:,}", failed]
