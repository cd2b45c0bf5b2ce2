"""The waterfall exhibit: one trace as a picture, and as bars of text for those who see no picture."""

from collections.abc import Mapping

from runbook_lib.core.model import Json
from runbook_lib.show.display import Display
from runbook_lib.show.html import join, picture, preformatted, tag
from runbook_lib.show.spans import Bar, Waterfall, read_waterfall
from runbook_lib.show.text import format_duration, pad, plural

NAME_COLUMNS, BAR_COLUMNS = 46, 44
MARKS_SAID = (
    "► root cause · ✖ failed · * critical path · ? not seen · #2 second attempt · █ own time · ░ waiting for others"
)


def waterfall(data: Mapping[str, Json]) -> Display:
    """A trace's spans over time (the exhibit's shape is the brief's: trace_id, total_ms, skew, spans in tree order)."""
    trace = read_waterfall(data)
    plain = waterfall_text(trace)
    if not trace.bars:
        return Display(plain, tag("p", plain))
    from runbook_lib.show.waterfall_figure import draw_waterfall

    png = draw_waterfall(trace)
    words = tag("details", tag("summary", "the same as text"), preformatted(plain))
    return Display(plain, join([picture(png, f"Waterfall of {summary(trace)}"), words]), png)


def summary(trace: Waterfall) -> str:
    """`trace 4bf9…, 14 spans, 1.24 s`."""
    folded = f" ({trace.folded:,} of them folded)" if trace.folded else ""
    return f"trace {trace.trace_id}, {plural(trace.spans, 'span')}{folded}, {format_duration(trace.total_ms)}"


def shifts(trace: Waterfall) -> str:
    """Which clocks were moved to draw this; empty where none was."""
    if not trace.skew:
        return ""
    moved = ", ".join(f"{part} {'+' if shift > 0 else ''}{format_duration(shift)}" for part, shift in trace.skew)
    return f"Clocks corrected: {moved}"


def waterfall_text(trace: Waterfall) -> str:
    """Rows of name, bar and duration, about a hundred columns wide."""
    if not trace.bars:
        return f"{summary(trace)}: no span to draw"
    parts = max(len(bar.part) for bar in trace.bars)
    lines = [summary(trace)]
    lines += [_line(trace, bar, min(parts, 14)) for bar in trace.bars]
    lines += [line for line in (shifts(trace), MARKS_SAID) if line]
    return "\n".join(lines)


def _line(trace: Waterfall, bar: Bar, part_columns: int) -> str:
    mark = "►" if bar.root_cause else "?" if bar.missing else "✖" if bar.failed else "*" if bar.critical else " "
    name = pad("  " * min(bar.depth, 10) + ("… " if bar.folded else "") + bar.words, NAME_COLUMNS)
    took = "not seen" if bar.missing else "" if bar.folded else format_duration(bar.duration_ms)
    line = f"{mark} {pad(bar.part, part_columns)} {name} {_drawn(trace, bar)} {took}"
    return f"{line}  {bar.label}" if bar.label else line.rstrip()


def _drawn(trace: Waterfall, bar: Bar) -> str:
    scale = BAR_COLUMNS / (trace.end_ms - trace.start_ms)

    def columns(start_ms: float, end_ms: float) -> range:
        first = min(BAR_COLUMNS - 1, int((start_ms - trace.start_ms) * scale))
        return range(first, max(first + 1, min(BAR_COLUMNS, round((end_ms - trace.start_ms) * scale))))

    fill = "┄" if bar.missing or bar.folded else "░"
    drawn = [" "] * BAR_COLUMNS
    for at in columns(bar.start_ms, bar.end_ms):
        drawn[at] = fill
    whole = bar.own == ((bar.start_ms, bar.end_ms),)
    for at in () if bar.missing else columns(bar.start_ms, bar.end_ms):
        middle_ms = trace.start_ms + (at + 0.5) / scale
        if whole or any(start_ms <= middle_ms < end_ms for start_ms, end_ms in bar.own):
            drawn[at] = "█"
    return "".join(drawn)
