"""From looks to levels: which source counts for which objective, what it leaves open, and what sampling did to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.counts import Counts
from runbook_lib.core.records.deployments import DeploymentRow
from runbook_lib.core.records.team_files import Objective
from runbook_lib.judging.answers import record_of, rows_of
from runbook_lib.procedures.service_levels.evidence import LATENCY, WEBHOOKS, Evidence, counts_in, slow_counts
from runbook_lib.procedures.service_levels.tally import HOUR_S, Numbers, Stretch, Tally

_RANK = ("TraceQL metrics", "Prometheus span metrics", "Jaeger's monitor", "platform", "raw traces")


@dataclass(frozen=True)
class Sampling:
    """What share of the edge's requests left a span: of those that went well, and of those that failed.

    `is_biased`: the two differ by more than chance, and by enough to matter.
    """

    went_well: float
    failed: float | None
    is_biased: bool
    edge: Observation

    def words(self) -> str:
        """One clause for the report."""
        if self.is_biased:
            return (
                f"traces keep {self.went_well:.0%} of what went well and {self.failed or 0:.0%} of what failed, by the "
                f"count of {self.edge.source}"
            )
        if self.went_well > 0.95:
            return f"traces hold what {self.edge.source} counts: not sampled"
        return (
            f"traces hold about {self.went_well:.0%} of what {self.edge.source} counts, failures and successes alike: "
            "shares hold, counts do not"
        )


@dataclass(frozen=True, eq=False)
class Level:
    """One objective with what was counted for it.

    Attributes:
        look: the source that counts; None where none does.
        tally: its counts over the period.
        gaps: stretches of the period of which it knows nothing, and why (retention or gap).
        sampling: None where there is no second count to compare with.
        young: when the first request was, where the system is younger than the period.
    """

    objective: Objective
    asked: tuple[Observation, ...]
    look: Observation | None = None
    tally: Tally | None = None
    gaps: tuple[tuple[str, Stretch], ...] = ()
    sampling: Sampling | None = None
    young: float | None = None
    others: tuple["Level", ...] = ()

    @property
    def name(self) -> str:
        """The objective's."""
        return self.objective["name"]

    @property
    def target(self) -> float:
        """The promised share."""
        return self.objective["target"]

    @property
    def by(self) -> str:
        """What counted."""
        counts = record_of(self.look, Counts)
        return counts["by"] if counts else ""

    @property
    def evidence(self) -> tuple[str, ...]:
        """The looks that carry what is said of it."""
        if self.look is None:
            return tuple(look.id for look in self.asked)
        biased = self.biased()
        return (self.look.id, *((biased.look.id,) if biased is not None and biased.look is not None else ()))

    def biased(self) -> "Level | None":
        """Another source's counts that sampling made useless, beside which this one counts."""
        return next((each for each in self.others if each.sampling is not None and each.sampling.is_biased), None)

    def missing(self) -> float:
        """How many requests there were, by the rate of the rest, of which nothing is known."""
        return self.tally.missing_in([gap for _, gap in self.gaps]) if self.tally else 0.0

    def between(self) -> tuple[float, float]:
        """The share that went well at worst and at best, with what is not known counted as bad and as good."""
        assert self.tally is not None
        total, least, most = self.tally.sums()
        missing = self.missing()
        return 1 - (most + missing) / (total + missing), 1 - least / (total + missing)


def levels_of(evidence: Evidence) -> list[Level]:
    """Every objective with its counts."""
    counted = _Counted()
    return [_level(evidence, objective, counted) for objective in evidence.objectives()]


class _Counted:
    """The looks' lists of numbers as arrays, each made once, however many objectives read it."""

    def __init__(self) -> None:
        self._rows: dict[int, Numbers] = {}

    def row(self, values: Sequence[float]) -> Numbers:
        """The array of a list that some look holds, and so keeps."""
        if id(values) not in self._rows:
            self._rows[id(values)] = np.asarray(values, dtype=np.float64)
        return self._rows[id(values)]

    def tally(self, counts: Counts, least: Sequence[float], most: Sequence[float] | None = None) -> Tally:
        """Requests by step with what counts against the budget; `most` is None where `least` is exact. Of an answer that is cut
        off, as many steps as all of its lists have."""
        rows = [self.row(each) for each in (counts["total"], least, least if most is None else most)]
        steps = min(len(row) for row in rows)
        return Tally.of(counts["since"], counts["step_s"], *(row[:steps] for row in rows))


def _level(evidence: Evidence, objective: Objective, counted: _Counted) -> Level:
    asked = evidence.counting(objective)
    tallies = [(look, _tally(look, objective, counted)) for look in asked]
    read = [_read(evidence, objective, asked, look, tally) for look, tally in tallies if tally is not None]
    levels = [each for each in read if each.tally is not None and each.tally.total.any()]
    if not levels:
        return Level(objective, asked)
    edge = next((each for each in levels if _is_edge(each.look)), None)
    if edge is not None:
        levels = [_compared(each, edge, counted) for each in levels]
    levels.sort(key=_preference)
    return replace(levels[0], others=tuple(levels[1:]))


def _preference(level: Level) -> tuple[bool, int, int]:
    """Biased sources last, then those that know less of the period, then by how exactly they count."""
    unknown_s = sum(gap.seconds for _, gap in level.gaps)
    biased = level.sampling is not None and level.sampling.is_biased
    rank = next((at for at, name in enumerate(_RANK) if name in level.by), 3)
    return biased, round(unknown_s / (12 * HOUR_S)), rank


_EDGES = ("railway", "vercel", "fly")


def _is_edge(look: Observation | None) -> bool:
    return look is not None and look.source in _EDGES


def unseen_edge(level: Level, evidence: Evidence) -> Observation | None:
    """The platform's own count of a part, where the platform is known and its count did not come back: nothing tells then whether
    the traces that do count are sampled. None where it did, or where no platform of the part counts."""
    if level.sampling is not None or _is_edge(level.look):
        return None
    service = level.objective["service"]
    hosts = {
        look.source
        for look in evidence.changes
        if look.status is not Status.not_configured and look.arguments.get("part", "gateway") == service
    }
    for look in level.asked:
        is_there = look.source in hosts or look.status is not Status.not_configured
        if look.source in _EDGES and is_there and not look.status.answered:
            return look
    return None


def _tally(look: Observation, objective: Objective, counted: _Counted) -> Tally | None:
    """What a look counts for an objective; None where it does not."""
    counts = counts_in(look)
    if counts is None or not counts["total"]:
        return None
    if objective["kind"] != LATENCY:
        return counted.tally(counts, counts["failed"])
    slow = slow_counts(counts, objective)
    return counted.tally(counts, slow["least"], slow["most"] or None) if slow else None


def _read(
    evidence: Evidence, objective: Objective, asked: tuple[Observation, ...], look: Observation, tally: Tally
) -> Level:
    gaps: list[tuple[str, Stretch]] = []
    young: float | None = None
    counts = counts_in(look)
    assert counts is not None  # it was tallied
    kept_since, counted_until_s = counts["kept_since"], from_iso(counts["until"]).timestamp()
    if tally.until_s < counted_until_s:
        gaps.append(("gap", Stretch(tally.until_s, counted_until_s)))
    if kept_since:
        kept_s = from_iso(kept_since).timestamp()
        gaps.append(("retention", Stretch(tally.since_s, kept_s)))
        tally = tally.within(kept_s, tally.until_s)
    for hole in [] if objective["kind"] == WEBHOOKS else tally.holes():
        if hole.since_s == tally.since_s and hole.until_s < tally.until_s:
            # Before the first request: the system is young, unless it was deployed before.
            began = _first_deployed(evidence.changes, objective["service"] or "")
            if began is not None and began >= hole.until_s - HOUR_S:
                young = hole.until_s
                continue
        gaps.append(("gap", hole))
    return Level(objective, asked, look, tally, tuple(gaps), None, young)


def _first_deployed(changes: Iterable[Observation], service: str) -> float | None:
    """When the first deployment of a part was that its platform knows; None where no platform tells of the whole period."""
    looks = [look for look in changes if look.status.answered and look.arguments.get("part", "gateway") == service]
    rows = [row for look in looks for row in rows_of(look, DeploymentRow) if row["part"] == service]
    return min((from_iso(row["at"]).timestamp() for row in rows), default=None)


def _compared(level: Level, edge: Level, counted: _Counted) -> Level:
    """A level with what the platform's own count says of its sampling."""
    if level.look is None or edge.look is None or level.look is edge.look:
        return level
    sampling = sampling_of(_requests(level.look, counted), _requests(edge.look, counted), edge.look)
    if sampling is not None and level.objective["kind"] == "latency" and _keeps_slow_ones(level, edge):
        sampling = replace(sampling, is_biased=True)
    return replace(level, sampling=sampling)


def _requests(look: Observation, counted: _Counted) -> Tally:
    """Requests and failures of a look, whatever the objective is about."""
    counts = counts_in(look)
    assert counts is not None  # it was tallied
    return counted.tally(counts, counts["failed"])


def _keeps_slow_ones(level: Level, edge: Level) -> bool:
    """Whether the share of slow requests lies outside of what the edge allows, over the time that both know."""
    assert level.tally is not None
    assert edge.tally is not None
    since, until = max(level.tally.since_s, edge.tally.since_s), min(level.tally.until_s, edge.tally.until_s)
    total, slow, _ = level.tally.within(since, until).sums()
    edge_total, least, most = edge.tally.within(since, until).sums()
    if min(total, edge_total) < _COMPARABLE:
        return False
    margin = 5 * float(np.sqrt(slow + 1)) / total
    return not (least / edge_total) * 0.8 - margin <= slow / total <= (most / edge_total) * 1.2 + margin


def sampling_of(traced: Tally, edge: Tally, look: Observation | None) -> Sampling | None:
    """How the traces' counts compare with the edge's over the hours that both know; None where there are too few to say."""
    if look is None:
        return None
    since, until = max(traced.since_s, edge.since_s), min(traced.until_s, edge.until_s)
    step = max(traced.step_s, edge.step_s)
    pair = [each.within(since, until).coarser(HOUR_S if HOUR_S % step == 0 else step) for each in (traced, edge)]
    count = min(len(each.total) for each in pair)
    ours, theirs = ([row[:count] for row in (each.total, each.least)] for each in pair)
    known = theirs[0] > 0  # hours of which the platform knows
    total, failed = float(ours[0][known].sum()), float(ours[1][known].sum())
    edge_total, edge_failed = float(theirs[0][known].sum()), float(theirs[1][known].sum())
    went_well, edge_well = total - failed, edge_total - edge_failed
    if edge_well < _COMPARABLE:
        return None
    share = went_well / edge_well
    expected = edge_failed * share
    chance = 4 * float(np.sqrt(expected + 1))
    differs = abs(failed - expected) > max(chance, 8.0)
    ratio = failed / total if total else 0.0
    edge_ratio = edge_failed / edge_total
    matters = abs(ratio - edge_ratio) > 0.2 * max(ratio, edge_ratio)
    return Sampling(share, failed / edge_failed if edge_failed else None, bool(differs and matters), look)


_COMPARABLE = 200.0


def hours_of(tally: Tally, target: float, most: int = 5) -> list[dict[str, Any]]:
    """The hours in which most of the budget went, worst first: [{"since_s", "bad", "total", "budget_ratio"}]."""
    hourly = tally.coarser(HOUR_S) if HOUR_S % tally.step_s == 0 else tally
    allowed = (1 - target) * float(tally.total.sum())
    order = np.argsort(-hourly.least, kind="stable")[:most].tolist()
    return [
        {
            "since_s": hourly.since_s + at * hourly.step_s,
            "bad": float(hourly.least[at]),
            "total": float(hourly.total[at]),
            "budget_ratio": float(hourly.least[at]) / allowed if allowed else 0.0,
        }
        for at in order
        if hourly.least[at] > 0
    ]


def deployments_of(changes: Sequence[Observation], part: str | None) -> list[DeploymentRow]:
    """The deployments of a part that served, oldest first."""
    rows = [row for look in changes for row in rows_of(look, DeploymentRow) if row["part"] == part and not row["error"]]
    return sorted(rows, key=lambda row: row["ready_at"] or row["at"])


def commit_or_id(deployment: DeploymentRow) -> str:
    """A deployment by its commit, or by its id where the platform knows none."""
    return (deployment["commit"] or "")[:9] or deployment["id"][-26:]


def served_at(deployments: Sequence[DeploymentRow], at_s: float) -> DeploymentRow | None:
    """The deployment that served at a moment: the newest before it."""
    earlier = [row for row in deployments if from_iso(row["ready_at"] or row["at"]).timestamp() <= at_s]
    return earlier[-1] if earlier else None
