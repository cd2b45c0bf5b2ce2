"""What the parts' own lines about a failed request name, where no trace does."""

from collections.abc import Iterable, Sequence

from runbook_lib.diagnose.classify import (
    Named,
    classify_auth,
    classify_database,
    classify_provider,
    classify_stripe,
    is_timeout,
    is_unreachable,
)
from runbook_lib.diagnose.failed_request_trace import make_finding
from runbook_lib.diagnose.logs import Line, LogFailure, finished_after
from runbook_lib.diagnose.parts import API, AUTH, DATABASE, GATEWAY, PROVIDER, STRIPE, WEB
from runbook_lib.model import Finding, Observation


def log_findings(failures: Iterable[LogFailure], lines: Sequence[tuple[Line, Observation]] = ()) -> list[Finding]:
    """What the parts' own lines about a failed request name; `lines` are all of them, the contented ones too."""
    found: list[Finding] = []
    for failure in failures:
        named, subject = _named_from_log(failure)
        late = _answered_late(failure, lines)
        if named is None and late is not None:
            subject = f"{failure.part} → {failure.callee[0] if failure.callee else ''}"
            summary = f"{subject}: the caller gave up; the callee answered well at {late[0].get('at')}, for nobody"
            found.append(make_finding("request.timeout_inverted", subject, summary, [failure.observation_id, late[1]]))
        if named is None:
            continue
        summary = f"{subject} {named.what}: {failure.fault.text[:160]}; {failure.part} logged it"
        found.append(make_finding(named.code, subject, summary, [failure.observation_id]))
    return found


def _answered_late(failure: LogFailure, lines: Sequence[tuple[Line, Observation]]) -> tuple[Line, str] | None:
    """The line in which a part of ours says that it answered well after its caller had given up on it."""
    if failure.callee is None or failure.callee[0] not in (API, GATEWAY) or not is_timeout(failure.fault):
        return None
    return finished_after(lines, failure.callee[0], str(failure.line.get("at")))


def _named_from_log(failure: LogFailure) -> tuple[Named | None, str]:
    """The cause a line stands for, and its subject; None where the line only passes on what happened elsewhere."""
    if failure.callee is None:
        if failure.part not in (WEB, API, GATEWAY) or not failure.fault.error_type:
            return None, ""
        return Named(f"request.{failure.part}_failed", "raised an error"), f"{failure.part}: {failure.fault.error_type}"
    kind, name = failure.callee
    if kind == PROVIDER:
        return classify_provider(failure.fault), f"{name}/{failure.model}".rstrip("/")
    if kind == DATABASE:
        return classify_database(failure.fault), "database"
    if kind == AUTH:
        return classify_auth(failure.fault), "supabase auth"
    if kind == STRIPE:
        return classify_stripe(failure.fault), "stripe"
    why = is_unreachable(failure.fault)
    if kind in (GATEWAY, API) and why in ("refused", "dns", "wrong_url") and failure.fault.http_status is None:
        return Named(f"request.{kind}_unreachable.{why}", "could not be reached"), f"{failure.part} → {kind}"
    return None, ""
