"""What the parts' own lines about a failed request name, where no trace does."""

import re
from collections.abc import Iterable, Sequence

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Finding, Observation, Suspect
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.procedures.failed_request.causes import CATALOGUE
from runbook_lib.procedures.failed_request.gaps import NOT_SERVED
from runbook_lib.reading.classify import (
    NamedCause,
    classify_auth,
    classify_database,
    classify_provider,
    classify_stripe,
    is_timeout,
    is_unreachable,
)
from runbook_lib.reading.logs import UNKNOWN, LogFailure, finished_after, lines_of
from runbook_lib.reading.parts import API, AUTH, DATABASE, GATEWAY, PROVIDER, STRIPE, WEB
from runbook_lib.reading.request_rows import logged_requests


def log_findings(failures: Iterable[LogFailure], lines: Sequence[tuple[LogLine, Observation]] = ()) -> list[Finding]:
    """What the parts' own lines about a failed request name; `lines` are all of them, the contented ones too."""
    found: list[Finding] = []
    for failure in failures:
        named, subject = _named_from_log(failure)
        late = _answered_late(failure, lines)
        if named is None and late is not None:
            subject = f"{failure.part} → {late[0]['part']}"
            summary = f"{subject}: the caller gave up; the callee answered well at {late[0]['at']}, for nobody"
            found.append(
                CATALOGUE.finding("request.timeout_inverted", subject, summary, [failure.observation_id, late[1]])
            )
        if named is None:
            continue
        summary = f"{subject} {named.what}: {failure.fault.text[:160]}; {failure.part} logged it"
        found.append(CATALOGUE.finding(named.code, subject, summary, [failure.observation_id]))
    return found


def stream_findings(failures: Iterable[LogFailure]) -> list[Finding]:
    """Where the platform saw a good answer: a provider that failed, and none that answered after it, broke off in the stream."""
    found = []
    for failure in failures:
        if failure.callee is not None and failure.callee[0] == PROVIDER:
            named = classify_provider(failure.fault, in_stream=True)
            subject = f"{failure.callee[1]}/{failure.model}".rstrip("/")
            summary = f"{subject} {named.what}: {failure.fault.text[:160]}; {failure.part} logged it"
            found.append(CATALOGUE.finding(named.code, subject, summary, [failure.observation_id]))
    return found


def gateway_not_serving(failures: Iterable[LogFailure], callee: Sequence[Observation]) -> list[Finding]:
    """The gateway's platform says, just before the API complained of the gateway, that it could not hand calls on."""
    for failure in failures:
        if not asks_for_platform(failure):
            continue
        ended_s = from_iso(str(failure.line["at"])).timestamp()
        told = [
            (seen.row["error"] or "", seen.row["at"], seen.observation.id)
            for seen in logged_requests(callee)
            if seen.row["part"] == GATEWAY
        ]
        told += [
            (line["message"], line["at"], look.id)
            for line, look in lines_of(callee)
            if line["part"] == GATEWAY and str(line["attributes"].get("provider", "proxy")) == "proxy"
        ]
        for words, at, look_id in told:
            if at and re.search(NOT_SERVED, words, re.I) and 0 <= ended_s - from_iso(at).timestamp() + 0.25 <= 2.25:
                summary = f"the gateway's platform could not hand calls on: {words} ({at}); {failure.fault.text[:120]}"
                evidence = [failure.observation_id, look_id]
                return [CATALOGUE.finding("request.gateway_unreachable.refused", "api → gateway", summary, evidence)]
    return []


def asks_for_platform(failure: LogFailure) -> bool:
    """Whether the API complains of the gateway, or of somebody it does not name, in a way that the platform may explain."""
    return failure.part == API and failure.callee is not None and failure.callee[0] in (GATEWAY, UNKNOWN)


def log_suspects(failures: Iterable[LogFailure]) -> list[Suspect]:
    """Whom a connection error may be about, where the line names nobody."""
    found = []
    for failure in failures:
        if failure.callee is None or failure.callee[0] != UNKNOWN:
            continue
        why = f"{failure.part} logged: {failure.fault.message[:160]}; the line does not say whom it called"
        look = "the request's trace, or a log line with the host that was called: read access to traces, or a change of the log"
        reason = is_unreachable(failure.fault) or ("timeout" if is_timeout(failure.fault) else "")
        gateway = f"request.gateway_unreachable.{reason}" if reason in ("refused", "dns", "wrong_url") else ""
        codes = (gateway or "request.timeout_inverted", "request.auth_failed.down", "request.db_failed.down")
        found += [Suspect(code, f"{failure.part} → ?", why, look) for code in codes]
    return found


def _answered_late(failure: LogFailure, lines: Sequence[tuple[LogLine, Observation]]) -> tuple[LogLine, str] | None:
    """The line in which a part of ours says that it answered well after its caller had given up on it."""
    complained_at = failure.line["at"]
    if failure.callee is None or complained_at is None or not is_timeout(failure.fault):
        return None
    kind = GATEWAY if asks_for_platform(failure) else failure.callee[0]
    return finished_after(lines, kind, complained_at) if kind in (API, GATEWAY) else None


def _named_from_log(failure: LogFailure) -> tuple[NamedCause | None, str]:
    """The cause a line stands for, and its subject; None where the line only passes on what happened elsewhere."""
    if failure.callee is None:
        if failure.part not in (WEB, API, GATEWAY) or not failure.fault.error_type:
            return None, ""
        return NamedCause(
            f"request.{failure.part}_failed", "raised an error"
        ), f"{failure.part}: {failure.fault.error_type}"
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
        return NamedCause(f"request.{kind}_unreachable.{why}", "could not be reached"), f"{failure.part} → {kind}"
    return None, ""
