"""Ablation: from every golden record each look in turn is taken away, and the runbook must never become surer than it was.

A system with a fault is never `ruled_out` because a look is missing, a healthy one never `confirmed`, and no cause is named that
the whole record does not name. The one exception stands in the catalogue: a cause whose subject is that very look.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbook_lib.core.model import Json, Observation, Status
from runbook_lib.drills.kit.records import Record
from runbook_lib.judging.causes import Catalogue
from runbook_lib.procedures.catalogues import catalogue_of

WAYS = (
    Status.not_configured,
    Status.denied,
    Status.unreachable,
    Status.timed_out,
    Status.too_recent,
    Status.partial,
)
_TAKEN_AWAY = "taken away to see what the rest says"


@dataclass(frozen=True)
class Taken:
    """One replay: from which record, which look was taken away and how, what the rest said, and what is wrong with that."""

    record: str
    look: str
    way: str
    got: str
    why: str

    def as_dict(self) -> dict[str, Any]:
        """A line of `drill --ablation --json`."""
        return {"record": self.record, "look": self.look, "status": self.way, "got": self.got, "why": self.why}


def ablate(record: Record, only: Iterable[int] | None = None, *, strip: bool = True) -> Iterator[Taken]:
    """Take away each look of a record in each way, and judge what the rest says.

    Args:
        only: which of the pairs, by their number (look × way); None: all.
        strip: also try the record with every look empty, with none configured, and with each source alone configured.
    """
    whole = record.replay().verdict
    chosen = None if only is None else set(only)
    for place, look in enumerate(record.observations):
        for turn, way in enumerate(WAYS):
            if chosen is not None and place * len(WAYS) + turn not in chosen:
                continue
            rest = list(record.observations)
            rest[place] = unanswered_look(look, way)
            yield _judged(record, whole, look.id, way, [look], rest)
    if strip:
        yield from _stripped(record, whole)


def _stripped(record: Record, whole: dict[str, Json]) -> Iterator[Taken]:
    everything = record.observations
    for way in (Status.empty, Status.not_configured):
        yield _judged(
            record, whole, f"everything {way}", way, everything, [unanswered_look(each, way) for each in everything]
        )
    for source in sorted({each.source for each in everything}):
        rest = [each if each.source == source else unanswered_look(each, Status.not_configured) for each in everything]
        gone = [each for each in everything if each.source != source]
        yield _judged(record, whole, f"all but {source}", Status.not_configured, gone, rest)


def pairs(record: Record) -> int:
    """How many pairs of look and way a record has."""
    return len(record.observations) * len(WAYS)


def unanswered_look(look: Observation, way: Status) -> Observation:
    """The look as it comes back when its source does not answer; `partial` keeps half of a list and nothing of a scalar."""
    value = _half(look.value) if way is Status.partial else None
    return replace(look, status=way, value=value, why=_TAKEN_AWAY, help="")


def _half(value: Json) -> Json:
    """Half of a list, or of the lists that a mapping holds; of a table of spans the spans alone: they refer to the rest."""
    if isinstance(value, list):
        return value[: len(value) // 2]
    if isinstance(value, dict) and isinstance(value.get("spans"), list):
        return {**value, "spans": _half(value["spans"])}
    if isinstance(value, dict) and any(isinstance(each, list) for each in value.values()):
        return {name: _half(each) if isinstance(each, list) else each for name, each in value.items()}
    return None


def _judged(
    record: Record,
    whole: dict[str, Json],
    what: str,
    way: Status,
    gone: Sequence[Observation],
    rest: list[Observation],
) -> Taken:
    """What the rest says, and what is wrong with it; `what` names that which is gone.

    Where everything answered and holds nothing, a new cause may be so (there is no backup); that all is well may not.
    """
    try:
        verdict = record.replay(rest).verdict
    except Exception as error:
        return Taken(record.name, what, str(way), "", f"broke: {type(error).__name__}: {error}"[:300])
    new = _named(verdict) - _named(whole) if way is not Status.empty else set()
    catalogue = catalogue_of(record.context.procedure)
    names = {f"{each.source}.{each.call}" for each in gone}
    surprising = sorted(code for code in new if not _is_known(code, whole, catalogue, names))
    roots = [str(each["code"]) for each in verdict["causes"]] if way is not Status.empty else []
    is_alarm = whole["status"] == "ruled_out" and any(
        not set(catalogue.find(code).subject_looks) & names for code in roots
    )
    got = f"{verdict['status']} {', '.join(sorted(_named(verdict)))}".strip()
    why = ""
    if verdict["status"] == "ruled_out" and (whole["status"] != "ruled_out" or len(gone) == len(rest)):
        why = f"{whole['status']} became ruled_out"
    elif surprising:
        why = f"names {', '.join(surprising)}, which the whole record does not"
    elif is_alarm:
        why = f"ruled_out became confirmed: {', '.join(roots)}"
    return Taken(record.name, what, str(way), got, why)


def _named(verdict: dict[str, Json]) -> set[str]:
    """The causes that a verdict names as so, roots and consequences."""
    return {str(each["code"]) for key in ("causes", "also") for each in verdict[key]}


def _is_known(code: str, whole: dict[str, Json], catalogue: Catalogue, gone: Collection[str]) -> bool:
    """Whether naming a code is no surprise: a wider code of one that the whole record names, or one whose subject is gone."""
    if any(known.startswith(f"{code}.") for known in _named(whole)):
        return True
    return bool(set(catalogue.find(code).subject_looks) & set(gone))
