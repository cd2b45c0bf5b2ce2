"""How long each procedure takes to its verdict when every source answers after 500 ms and one hangs, against what it must take.

What it must take is the longest chain of looks that truly depend on one another. Which do is found out, not declared: the
recorded run is replayed with one answer missing at a time, and a look that is then no longer made depended on that answer.
The aim is at most 1.3 times that chain, nothing subtracted. The trouble is each procedure's first fault of its drills; not that a
request is not found, for then an answer taken away and the answer "none" are the same, and what depends on it is not found out.

    .venv/bin/python benchmarks/time_to_verdict.py [procedure … | drill case …]
"""

import contextlib
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbook_lib.core.model import Observation
from runbook_lib.drills.failed_request.faults_parts import make_history
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.case_list import CASES
from runbook_lib.io.observe import Observer
from runbook_lib.run.headless import HeadlessRun, run_procedure
from runbook_lib.run.home import Home
from runbook_lib.run.targets import Target
from runbook_lib.sandbox import Sandbox
from runbook_lib.settings import Settings

LATENCY_S = 0.5
DEADLINE_S = 3.0  # of a look: what the hanging source costs
FACTOR = 1.3
SOURCES = {  # the façades that are slowed down, and the names under which looks ask them
    "vercel": "vercel", "railway": "railway", "fly": "fly", "supabase": "supabase", "supabase-management": "supabase",
    "stripe": "stripe", "openai": "openai", "anthropic": "anthropic", "together": "together", "status": "status",
    "tempo": "tempo", "jaeger": "jaeger", "web-edge": "parts", "api-edge": "parts", "gateway-edge": "parts",
}  # fmt: skip
DELAYS = {"RUNBOOK_TRACE_DELAY_S": "0.8", "RUNBOOK_LOG_DELAY_S": "0.4", "RUNBOOK_LOOK_DEADLINE_S": str(DEADLINE_S)}

Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Measured:
    """One run: how long it took, how long its longest chain of dependent looks, and that chain."""

    hanging: str
    verdict_s: float
    chain_s: float
    chain: tuple[str, ...]
    looks: int

    @property
    def ratio(self) -> float:
        """Time to verdict to the chain."""
        return self.verdict_s / self.chain_s if self.chain_s else 0.0


def key_of(seen: Observation) -> Key:
    """What makes a look that look."""
    return seen.source, seen.call, repr(sorted(dict(seen.arguments).items())), seen.nth


def replayed(procedure: str, run: HeadlessRun, parameters: Mapping[str, Any], missing: set[str]) -> set[Key]:
    """The looks that the procedure makes when these answers are missing."""
    record = [each for each in run.observations if each.id not in missing]
    now = datetime.fromisoformat(str(run.verdict["started_at"]))
    observer = Observer(now=now, record=record, active=True)
    with contextlib.suppress(KeyError):
        Home.find().procedure(procedure, parameters)(observer, parameters).conclude()
    return {key_of(each) for each in observer.observations}


def dependencies(procedure: str, run: HeadlessRun, parameters: Mapping[str, Any]) -> dict[str, list[str]]:
    """For each look the earlier ones that it depended on: those without any one of which it is not made; where several can
    stand in for each other, all of them."""
    seen = list(run.observations)
    alone = {each.id: replayed(procedure, run, parameters, {each.id}) for each in seen}
    needed: dict[str, list[str]] = {}
    for place, each in enumerate(seen):
        earlier = [other.id for other in seen[:place]]
        needed[each.id] = [other for other in earlier if key_of(each) not in alone[other]]
        if earlier and not needed[each.id] and key_of(each) not in replayed(procedure, run, parameters, set(earlier)):
            needed[each.id] = _standing_in(procedure, run, parameters, each, earlier)
    return needed


def _standing_in(
    procedure: str, run: HeadlessRun, parameters: Mapping[str, Any], each: Observation, earlier: Sequence[str]
) -> list[str]:
    """The smallest set of earlier answers without all of which the look is not made."""
    kept = list(earlier)
    for other in earlier:
        without = set(kept) - {other}
        if key_of(each) not in replayed(procedure, run, parameters, without):
            kept.remove(other)
    return kept


def longest_chain(run: HeadlessRun, needed: Mapping[str, Sequence[str]]) -> tuple[float, tuple[str, ...]]:
    """The longest chain of dependent looks in seconds, and its looks."""
    took = {each.id: each.elapsed_ms / 1000 for each in run.observations}
    name = {each.id: f"{each.source}.{each.call}" for each in run.observations}
    best: dict[str, tuple[float, tuple[str, ...]]] = {}
    for each in run.observations:
        before = max((best[other] for other in needed[each.id]), default=(0.0, ()))
        best[each.id] = (before[0] + took[each.id], (*before[1], name[each.id]))
    return max(best.values(), default=(0.0, ()))


@contextlib.contextmanager
def slowed(sandbox: Sandbox, hanging: str) -> Iterator[None]:
    """Every source answers after 500 ms, and one never does."""
    for part, source in SOURCES.items():
        if part in sandbox.endpoints:
            sandbox.inject("http", part=part, **({"hang": True} if source == hanging else {"latency_s": LATENCY_S}))
    yield


def measure(case: Case, sandbox: Sandbox, hanging: str) -> Measured:
    """Break, act, slow the sources down, run, heal."""
    try:
        since = datetime.now(UTC)
        for injected in case.faults:
            faults.find(injected.code)(sandbox, injected.variant)
        for step in case.before:
            step.apply(sandbox)
        first = case.faults[0]
        act = case.exercise or (lambda box: faults.find(first.code).exercise(box, first.variant))
        got = act(sandbox)
        time.sleep(case.settle_s)
        parameters = case.ask(sandbox, got, since)
        sandbox.inject("traffic", rate_per_s=0.0)
        with slowed(sandbox, hanging):
            variables = {**sandbox.env, **case.settings, **DELAYS}
            target = Target("sandbox", Settings.from_mapping(variables, origin="the sandbox"), "the sandbox", variables)
            run = run_procedure(case.procedure, parameters, target=target, incident="benchmark")
    finally:
        sandbox.heal()
    needed = dependencies(case.procedure, run, parameters)
    chain_s, chain = longest_chain(run, needed)
    return Measured(hanging, float(run.verdict["verdict_s"]), chain_s, chain, len(run.observations))


def chosen(arguments: Sequence[str]) -> list[Case]:
    """The cases that are named; else each procedure's first fault that needs no sandbox of its own, of those named, or of all."""
    if by_name := [case for case in CASES if case.id in arguments]:
        return by_name
    found: dict[str, Case] = {}
    for case in CASES:
        named = not arguments or any(case.procedure.startswith(each) for each in arguments)
        is_plain = case.kind == "fault" and case.faults and dict(case.options) in ({}, {"traffic": False})
        if named and is_plain and not case.id.endswith(".not_found"):
            found.setdefault(case.procedure, case)
    return [found[name] for name in sorted(found)]


def main() -> None:
    """Measure and print the table."""
    rows: list[tuple[Case, Measured]] = []
    with Sandbox.up("time-to-verdict", traffic=False, foreground=True) as sandbox:
        make_history(sandbox)
        for case in chosen(sys.argv[1:]):
            rows.append((case, measure(case, sandbox, "")))
            asked = {name.split(".")[0] for name in rows[-1][1].chain} & set(SOURCES.values())
            rows.append((case, measure(case, sandbox, sorted(asked)[0] if asked else "tempo")))
    print(
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}; every source after {LATENCY_S:g} s\n"
    )
    print("| case | hanging | looks | longest chain, s | verdict, s | verdict / chain | |")
    print("|---|---|---|---|---|---|---|")
    for case, row in rows:
        good = "" if row.ratio <= FACTOR else "over"
        print(
            f"| {case.procedure[:2]} {case.id} | {row.hanging or '-'} | {row.looks} | {row.chain_s:.2f} | {row.verdict_s:.2f} "
            f"| {row.ratio:.2f} | {good} |"
        )
    print()
    for case, row in rows:
        print(f"{case.id}, {row.hanging or 'none'} hanging: {' → '.join(row.chain)}")
    sys.exit(1 if any(row.ratio > FACTOR for _, row in rows) else 0)


if __name__ == "__main__":
    main()
