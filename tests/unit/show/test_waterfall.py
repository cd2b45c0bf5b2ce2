"""A waterfall shows the tree, the failure's root, what was not seen, and folds what nobody would read."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.show.spans import ROWS, parents_of, read_waterfall
from runbook_lib.show.waterfall import waterfall, waterfall_text

Span = Callable[..., dict[str, Any]]
Colours = Callable[[bytes], dict[tuple[int, ...], int]]
RED = (198 // 8, 40 // 8, 40 // 8)


def data(spans: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
    return {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "total_ms": 1000, "skew": [], "spans": spans, **given}


def test_the_root_cause_and_its_label_are_marked(make_span: Span, colours: Colours) -> None:
    calm = [make_span(0, "api", 0, 1000), make_span(1, "database", 100, 500)]
    broken = [calm[0], {**calm[1], "status": "error", "root_cause": True, "label": "lock timeout"}]
    shown = waterfall(data(broken))
    line = next(line for line in shown.plain.split("\n") if "lock timeout" in line)
    assert line.startswith("► database")
    assert shown.png is not None
    assert colours(shown.png).get(RED, 0) > 1000
    calm_png = waterfall(data(calm)).png
    assert calm_png is not None
    assert RED not in colours(calm_png)


def test_a_missing_part_is_shown_as_not_seen_and_without_a_duration(make_span: Span) -> None:
    text = waterfall(data([make_span(0, "api", 0, 1000), make_span(1, "gateway", 100, 800, missing=True)])).plain
    line = next(line for line in text.split("\n") if "gateway" in line)
    assert line.startswith("? gateway")
    assert line.endswith("not seen")
    assert "█" not in line


def test_attempts_are_numbered_and_clock_shifts_are_noted(make_span: Span) -> None:
    spans = [
        make_span(0, "gateway", 0, 1000),
        make_span(1, "openai", 0, 400, attempt=1),
        make_span(1, "openai", 500, 400, attempt=2),
    ]
    text = waterfall(data(spans, skew=[{"part": "gateway", "shift_ms": 128.4}, {"part": "api", "shift_ms": -35}])).plain
    assert "#1 openai call" in text
    assert "#2 openai call" in text
    assert "Clocks corrected: gateway +128 ms, api −35 ms" in text
    assert "Clocks" not in waterfall(data(spans, skew=[{"part": "gateway", "shift_ms": 0}])).plain


def test_own_time_is_what_no_child_covers(make_span: Span) -> None:
    spans = [
        make_span(0, "api", 0, 1000),
        make_span(1, "db", 100, 300),
        make_span(1, "db", 300, 300),
        make_span(2, "x", 700, 100),
    ]
    bars = read_waterfall(data(spans)).bars
    assert bars[0].own == ((0.0, 100.0), (600.0, 1000.0))
    assert bars[1].own == ((100.0, 400.0),)


def test_a_child_that_outlives_its_parent_leaves_it_no_negative_time(make_span: Span) -> None:
    spans = [make_span(0, "api", 0, 100), make_span(1, "db", 50, 500), make_span(1, "db", -20, 30)]
    bars = read_waterfall(data(spans)).bars
    assert bars[0].own == ((10.0, 50.0),)
    assert read_waterfall(data(spans)).start_ms == -20


def test_depths_tell_the_parents_even_when_a_level_is_skipped(make_span: Span) -> None:
    bars = read_waterfall(data([make_span(depth, "a", 0, 1) for depth in (0, 1, 3, 3, 1, 0, 2)])).bars
    assert parents_of(bars) == [-1, 0, 1, 1, 0, -1, 5]


def big(make_span: Span, count: int, seed: int) -> list[dict[str, Any]]:
    chance, depth, spans = random.Random(seed), 0, []
    for at in range(count):
        depth = chance.randint(0, depth + 1) if at else 0
        spans.append(
            make_span(depth, chance.choice(["api", "web", "db"]), at, chance.expovariate(0.01), name=f"span {at}")
        )
    return spans


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [ROWS + 1, 300, 3000])
def test_a_large_tree_is_folded_counted_and_keeps_what_matters(make_span: Span, count: int, seed: int) -> None:
    spans = big(make_span, count, seed)
    spans[count // 2] |= {"status": "error", "root_cause": True, "label": "the root"}
    spans[count // 3] |= {"missing": True, "name": "the ghost"}
    trace = read_waterfall(data(spans))
    assert len(trace.bars) <= ROWS
    assert trace.spans == count
    assert trace.folded + sum(not bar.folded for bar in trace.bars) == count
    assert sum(bar.root_cause for bar in trace.bars) == 1
    assert any(bar.name == "the ghost" for bar in trace.bars)
    assert all(bar.folded != 1 for bar in trace.bars)
    assert f"({trace.folded:,} of them folded)" in waterfall_text(trace)


def test_the_way_to_the_root_cause_is_kept(make_span: Span) -> None:
    path = [make_span(depth, "api", 0, 900, name=f"step {depth}") for depth in range(12)]
    path[-1] |= {"status": "error", "root_cause": True}
    noise = [make_span(1, "db", 0, 950, name=f"noise {at}", status="error", critical=True) for at in range(500)]
    names = [bar.name for bar in read_waterfall(data(path + noise)).bars]
    assert names[:12] == [f"step {depth}" for depth in range(12)]


def test_failures_that_were_folded_are_counted(make_span: Span) -> None:
    spans = [make_span(0, "api", 0, 1000)] + [make_span(1, "db", at, 1, status="error") for at in range(400)]
    assert "failed" in next(bar.name for bar in read_waterfall(data(spans)).bars if bar.folded)


def test_a_small_tree_is_not_folded(make_span: Span) -> None:
    assert read_waterfall(data(big(make_span, ROWS, 1))).folded == 0


def test_no_span_is_said_and_not_drawn() -> None:
    shown = waterfall(data([]))
    assert "no span to draw" in shown.plain
    assert shown.png is None
    assert "<img" not in shown.html


@pytest.mark.slow
def test_the_same_trace_gives_the_same_bytes(make_span: Span) -> None:
    spans = big(make_span, 40, 3)
    assert waterfall(data(spans)).png == waterfall(data(spans)).png


@pytest.mark.parametrize("name", ["$x^{", "\\frac{$$", "名前 🎉", "a\nb\x1b[0m", "\udce2", "", "<b>" * 200])
def test_any_name_can_be_drawn(make_span: Span, read_page: Callable[[str], Any], name: str) -> None:
    spans = [make_span(0, name, 0, 1000, name=name, label=name, status="error", root_cause=True)]
    shown = waterfall(data(spans, trace_id=name, skew=[{"part": name, "shift_ms": 3}]))
    read_page(shown.html)
    assert shown.png is not None
    assert shown.png.startswith(b"\x89PNG")
    shown.plain.encode()


numbers = st.one_of(st.none(), st.floats(), st.integers(-(10**6), 10**12), st.text(max_size=3))
odd_spans = st.lists(
    st.fixed_dictionaries(
        {"depth": numbers, "part": st.sampled_from(["api", "web", "?"]), "name": st.text(max_size=9)},
        optional={
            "start_ms": numbers,
            "duration_ms": numbers,
            "status": st.sampled_from(["ok", "error", None]),
            "critical": st.booleans(),
            "root_cause": st.booleans(),
            "missing": st.booleans(),
            "attempt": numbers,
            "label": st.text(max_size=9),
        },
    ),
    max_size=5,
)


@pytest.mark.slow
@given(odd_spans, numbers)
@settings(max_examples=25)
def test_odd_numbers_do_not_break_the_picture(spans: list[dict[str, Any]], total: object) -> None:
    shown = waterfall(data(spans, total_ms=total))
    assert (shown.png is None) is (not spans)
    assert shown.plain
