"""What came of every cause of a procedure: found, excluded by looks that would have shown it, not applicable, or not examined."""

from collections.abc import Collection, Iterable

from runbook_lib.core.model import CoverageState, Covered, Finding, Kind, Status, Suspect
from runbook_lib.judging.causes import Catalogue, Cause
from runbook_lib.judging.looking_again import HELP
from runbook_lib.judging.witnesses import Missing, Seen, Shown, first_missing

_NOBODY = "nothing that this runbook looks at would show it"
_MOST_LOOKS = 3


def cover(
    catalogue: Catalogue,
    seen: Seen,
    findings: Iterable[Finding],
    suspects: Iterable[Suspect] = (),
    asked: Collection[str] = (),
) -> tuple[Covered, ...]:
    """What came of every cause, in the order of explanation.

    Args:
        findings: everything that was found, roots and consequences, states and blind codes.
        suspects: what may be so: such a cause is not examined to its end.
        asked: what the run was asked for, where a procedure can be asked several things; the causes of another question are not
            examined, and hold nothing up.
    """
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(catalogue.find(finding.code).code, []).append(finding)
    doubted = {catalogue.find(each.code).code: each for each in reversed(list(suspects)) if each.code}
    return tuple(
        _covered(cause, seen, found.get(cause.code, ()), doubted.get(cause.code), asked) for cause in catalogue.all()
    )


def _covered(
    cause: Cause, seen: Seen, found: Collection[Finding], doubt: Suspect | None, asked: Collection[str]
) -> Covered:
    if found:
        by = tuple(dict.fromkeys(identity for finding in found for identity in finding.evidence))
        narrower = sorted({finding.code for finding in found} - {cause.code})
        return Covered(cause.code, CoverageState.found, by, ", ".join(narrower))
    if doubt is not None:
        return Covered(cause.code, CoverageState.not_examined, why=f"it may be so: {doubt.why}")
    if cause.not_applicable is not None and (why := cause.not_applicable(seen)):
        return Covered(cause.code, CoverageState.not_applicable, why=why)
    if not _is_asked(cause, asked):
        return Covered(cause.code, CoverageState.not_examined, why="this run was not asked for it")
    shown = seen.shown(cause.shown_by) if cause.shown_by is not None else Shown()
    if shown.is_shown:
        return Covered(cause.code, CoverageState.excluded, shown.by)
    return Covered(cause.code, CoverageState.not_examined, why=_why(first_missing(shown.missing)))


def undecided(catalogue: Catalogue, coverage: Iterable[Covered], asked: Collection[str] = ()) -> list[Cause]:
    """The causes that could explain the question and that were not examined, in the order of explanation.

    What was found is examined: where it is no root (a throttle that a fallback made good), it is told and explains nothing.
    """
    causes = {cause.code: cause for cause in catalogue.all()}
    return [
        causes[each.code]
        for each in coverage
        if each.state is CoverageState.not_examined and could_explain(causes[each.code], asked)
    ]


def could_explain(cause: Cause, asked: Collection[str]) -> bool:
    """Whether a cause, if it were so, would be what is wrong: a fault or an exposure, and an answer to what was asked."""
    return cause.kind in (Kind.fault, Kind.exposure) and _is_asked(cause, asked)


def _is_asked(cause: Cause, asked: Collection[str]) -> bool:
    return not cause.questions or bool(set(cause.questions) & set(asked))


def deciding_looks(seen: Seen, cause: Cause) -> list[Suspect]:
    """What to do next about a cause that was not examined: the looks that would have to answer, each name once.

    One that is set up and did not answer comes before one that is not set up, and that before one that nobody made.
    """
    shown = seen.shown(cause.shown_by) if cause.shown_by is not None else Shown()
    missing = {each.name: each for each in reversed(shown.missing)} or {"": Missing("", why=_NOBODY)}
    nearest = min(_effort(each) for each in missing.values())
    return [_suspect(cause, each) for each in reversed(missing.values()) if _effort(each) == nearest][:_MOST_LOOKS]


def _effort(missing: Missing) -> int:
    if missing.observation is None:
        return 2
    return 1 if missing.observation.status is Status.not_configured else 0


def _suspect(cause: Cause, missing: Missing) -> Suspect:
    name = missing.name.replace(".", " ", 1)
    if missing.observation is None:
        do = f"{name}: run this procedure where it can look there" if name else cause.remedy
        return Suspect(cause.code, missing.name or cause.code, _why(missing), do)
    status = missing.observation.status
    do = missing.observation.help or HELP.get(status, "look again")
    return Suspect(cause.code, missing.name, _why(missing), f"{name}: {do}")


def _why(missing: Missing | None) -> str:
    if missing is None:
        return _NOBODY
    if missing.observation is None:
        return f"{missing.name}: {missing.why}" if missing.name else missing.why
    status = missing.observation.status
    said = "" if status.answered else f"{status}"
    return f"{missing.name}: {': '.join(filter(None, (said, missing.why)))}"
