"""How findings become a verdict. Code decides this, never prose, and one rule serves every procedure.

confirmed       a fault is named that the evidence carries
could_not_tell  otherwise, when something hides the answer: a blind code, suspects, or a cause that nothing excludes
ruled_out       otherwise: every cause that could explain the question is excluded by a look that would have shown it, or cannot be
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from runbook_lib.core.model import (
    Conclusion,
    Finding,
    Json,
    Observation,
    Situation,
    Suspect,
    Unseen,
    VerdictStatus,
)
from runbook_lib.judging.causes import Catalogue, Cause
from runbook_lib.judging.coverage import cover, deciding_looks, undecided
from runbook_lib.judging.looking_again import HELP
from runbook_lib.judging.witnesses import Seen


def unseen(observations: Iterable[Observation]) -> list[Unseen]:
    """What could not be seen: one entry for each source, call and part whose last look proves nothing, in order of first mention;
    parts of which the same is to be said share one.

    Args:
        observations: in the order in which they were made.
    """
    last: dict[tuple[str, str, str], Observation] = {}
    for observation in observations:
        last[(observation.source, observation.call, str(observation.arguments.get("part", "")))] = observation
    told = (
        Unseen(each.source, each.call, str(each.status), each.why, each.help or HELP.get(each.status, "look again"))
        for each in last.values()
        if not each.status.answered
    )
    return list(dict.fromkeys(told))


def conclude(
    catalogue: Catalogue,
    looks: Iterable[Observation],
    *,
    asked: Collection[str] = (),
    faults: Sequence[Finding] = (),
    also: Sequence[Finding] = (),
    states: Sequence[Finding] = (),
    blind: Sequence[Finding] = (),
    suspects: Sequence[Suspect] = (),
    not_seen: Sequence[Unseen] = (),
    situation: Situation | None = None,
    facts: Mapping[str, Json] | None = None,
) -> Conclusion:
    """The verdict that findings and looks add up to.

    Args:
        catalogue, looks: the causes of the procedure and everything that it saw: what the coverage is taken from.
        asked: what the run was asked for, where the procedure can be asked several things; see `Cause.questions`.
        faults: causes the evidence carries, the one that explains the symptom first.
        not_seen: what could not be seen besides the looks that came back without an answer: those are told by themselves.
        suspects: causes the evidence allows but does not carry; only kept when the verdict is could_not_tell.
    """
    seen = Seen(looks, catalogue.topics)
    coverage = cover(catalogue, seen, (*faults, *also, *states, *blind), suspects, asked)
    open_causes = undecided(catalogue, coverage, asked)
    if faults:
        status = VerdictStatus.confirmed
    elif blind or suspects or open_causes:
        status = VerdictStatus.could_not_tell
    else:
        status = VerdictStatus.ruled_out
    open_ended = status == VerdictStatus.could_not_tell
    return Conclusion(
        status,
        causes=_once(faults, catalogue) if status == VerdictStatus.confirmed else (),
        also=_once(also, catalogue),
        states=_once(states, catalogue),
        blind=_once(blind, catalogue) if open_ended else (),
        suspects=tuple(suspects) or _deciding(open_causes, seen) or _of_blind(_once(blind, catalogue))
        if open_ended
        else (),
        not_seen=(*_gaps(seen), *not_seen),
        coverage=coverage,
        situation=situation or Situation(),
        facts=facts or {},
    )


def _once(findings: Sequence[Finding], catalogue: Catalogue) -> tuple[Finding, ...]:
    """Findings without repeats of one code and subject; the first keeps its place, evidence is joined. One without a remedy of its
    own has the catalogue's."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.subject)
        if key in kept:
            first = kept[key]
            joined = tuple(dict.fromkeys(first.evidence + finding.evidence))
            finding = Finding(first.code, first.subject, first.summary, joined, first.remedy)
        if finding.remedy is None:
            finding = replace(finding, remedy=catalogue.remedy(finding.code))
        kept[key] = finding
    return tuple(kept.values())


def _gaps(seen: Seen) -> list[Unseen]:
    """What could not be seen, without what the topics say to be no gap."""
    return unseen(each for each in seen.observations if each.status.answered or seen.topics.is_gap(each, seen))


def _deciding(causes: Sequence[Cause], seen: Seen) -> tuple[Suspect, ...]:
    """Where nothing but an answer is missing: the looks of the first cause that nothing excludes."""
    return tuple(deciding_looks(seen, causes[0])) if causes else ()


def _of_blind(blind: Sequence[Finding]) -> tuple[Suspect, ...]:
    """Where only something that hides the answer is known: that, and what its remedy says would lift it."""
    return tuple(Suspect(each.code, each.subject, each.summary, each.remedy or "look again") for each in blind)
