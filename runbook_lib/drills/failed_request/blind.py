"""Blind spots of 01: each source in turn cannot be seen, in each of the ways there are, while a fault is on and while all is well.

The verdict is still right from what remains, with the blind spot named; or could_not_tell. Never wrong.
"""

from typing import Any

from runbook_lib.drills.failed_request.asking import by_request
from runbook_lib.drills.failed_request.cases import JAEGER, LOGS_ONLY, PROCEDURE, SEVERAL, several_visits
from runbook_lib.drills.kit.asking import since_fault
from runbook_lib.drills.kit.blind import WAYS, blind_fields, hide
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import visit

_OPTIONS: dict[str, dict[str, Any]] = {"fly": SEVERAL, "jaeger": JAEGER}
_OVERLOADED = Injected("request.provider_failed.overloaded", "openai")
_FAULT_OF: dict[str, Injected] = {
    "postgres": Injected("request.db_failed.grant"),
    "supabase": Injected("request.quota_blocked.over_limit"),
    "stripe": Injected("request.quota_blocked.past_due", "stripe"),
    "supabase-management": Injected("request.db_failed.grant"),
}


def _case(source: str, way: str, injected: Injected | None, status: str, codes: tuple[str, ...], **more: Any) -> Case:
    name = "healthy" if injected is None else "fault"
    given: dict[str, Any] = {
        **blind_fields(source, way),
        "faults": (injected,) if injected else (),
        "options": _OPTIONS.get(source, {}),
        "ask": by_request,
    }
    return Case(f"blind/{source}/{way}/{name}", PROCEDURE, "blind_spot", status, codes, **{**given, **more})


def _each_source() -> list[Case]:
    cases: list[Case] = []
    for source in ("vercel", "railway", "fly", "tempo", "jaeger"):
        for way in WAYS:
            if (source, way) == ("jaeger", "empty"):
                continue  # the store is Tempo's and Jaeger's alike: seen in Tempo's cases
            cases.append(_case(source, way, _OVERLOADED, "confirmed", (_OVERLOADED.code,)))
            # how long it took, and how often anything was tried, the traces alone tell
            hidden = source in ("tempo", "jaeger") and way != "slow"
            cases.append(_case(source, way, None, "could_not_tell" if hidden else "ruled_out", ()))
    return cases


def _behind() -> list[Case]:
    """Database and vendors: only asked where they may be involved."""
    cases: list[Case] = [
        _case("postgres", "unreachable", _FAULT_OF["postgres"], "confirmed", ("request.db_failed.grant",)),
        _case("postgres", "unreachable", None, "ruled_out", (), not_seen=()),
    ]
    for way in WAYS:
        known = way == "slow"
        blocked = "request.quota_blocked.over_limit" if known else "request.quota_blocked"
        never = () if known else ("request.quota_blocked.wrongly", "request.quota_blocked.over_limit")
        cases.append(_case("supabase", way, _FAULT_OF["supabase"], "confirmed", (blocked,), never=never))
        cases.append(_case("supabase", way, None, "ruled_out", (), not_seen=()))
        due = "request.quota_blocked.past_due" if known else "request.quota_blocked"
        never = () if known else ("request.quota_blocked.wrongly", "request.quota_blocked.canceled")
        cases.append(_case("stripe", way, _FAULT_OF["stripe"], "confirmed", (due,), never=never))
        cases.append(_case("stripe", way, None, "ruled_out", (), not_seen=()))
    for way in ("unreachable", "hanging"):
        cases.append(
            _case(
                "supabase-management", way, _FAULT_OF["supabase-management"], "confirmed", ("request.db_failed.grant",)
            )
        )
    return cases


def _together() -> list[Case]:
    """Two witnesses at once: what remains does not suffice."""

    def blind(name: str, sources: tuple[str, ...], injected: Injected | None = _OVERLOADED, **more: Any) -> Case:
        given: dict[str, Any] = {
            "not_seen": sources,
            "faults": (injected,) if injected else (),
            "after": tuple(hide(source, "unreachable") for source in sources),
            "ask": by_request,
        }
        return Case(f"blind/{name}", PROCEDURE, "blind_spot", "could_not_tell", **{**given, **more})

    return [
        blind("vercel+tempo/fault", ("vercel", "tempo")),
        blind("tempo+railway/fault", ("tempo", "railway")),
        blind("everything/fault", ("vercel", "tempo", "railway")),
        blind("everything/healthy", ("vercel", "tempo", "railway"), None),
        blind("vercel+tempo/healthy", ("vercel", "tempo"), None),
        blind("logs-only/vercel/fault", ("vercel",), options=LOGS_ONLY),
        blind("logs-only/railway/fault", ("railway",), options=LOGS_ONLY),
        blind("logs-only/vercel/healthy", ("vercel",), None, options=LOGS_ONLY),
        blind("window/everything", ("vercel", "tempo", "railway"), ask=since_fault, exercise=visit("chat")),
        blind(
            "window/everything/healthy", ("vercel", "tempo", "railway"), None, ask=since_fault, exercise=visit("chat")
        ),
    ]


_NO_PLATFORM = dict.fromkeys(
    ("RUNBOOK_VERCEL_TOKEN", "RUNBOOK_RAILWAY_TOKEN", "RUNBOOK_FLY_TOKEN", "RUNBOOK_SUPABASE_ACCESS_TOKEN"), ""
)


def _never_set_up() -> list[Case]:
    """A system that nobody prepared for a runbook: no instrumentation, no access to any platform. What nobody saw is not well."""

    def unseen_by(name: str, injected: Injected | None = None, codes: tuple[str, ...] = (), **more: Any) -> Case:
        name = f"blind/{name}/{'fault' if injected else 'healthy'}"
        faults = (injected,) if injected else ()
        return Case(name, PROCEDURE, "blind_spot", "could_not_tell", codes, faults=faults, **more)

    nothing: dict[str, Any] = {"options": {"uninstrumented": "everything"}}
    silent: dict[str, Any] = {"options": {"uninstrumented": "gateway"}}
    several_chats: dict[str, Any] = {"ask": since_fault, "exercise": several_visits("chat")}
    unexplained = ("request.unexplained",)
    return [
        unseen_by("no-platform/window", **nothing, **several_chats, settings=_NO_PLATFORM),
        unseen_by("no-platform/window", _OVERLOADED, **nothing, **several_chats, settings=_NO_PLATFORM),
        unseen_by("no-platform/request", **nothing, ask=by_request, settings=_NO_PLATFORM),
        unseen_by("uninstrumented/window", _OVERLOADED, unexplained, **nothing, **several_chats),
        unseen_by("uninstrumented/request", **nothing, ask=by_request),
        unseen_by("uninstrumented-gateway/window", _OVERLOADED, unexplained, **silent, **several_chats),
        unseen_by("uninstrumented-gateway/request", **silent, ask=by_request),
        unseen_by("uninstrumented-gateway/request", _OVERLOADED, ("trace.broken",), **silent, ask=by_request),
    ]


CASES: tuple[Case, ...] = (*_each_source(), *_behind(), *_together(), *_never_set_up())
