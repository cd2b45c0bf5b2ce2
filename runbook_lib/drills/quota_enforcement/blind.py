"""Blind spots of 05: each source in turn cannot be seen, in each of the ways there are, while all is well and with a fault on."""

from typing import Any

from runbook_lib.drills.kit.asking import since_fault
from runbook_lib.drills.kit.blind import UNSEEN, deadline, hide
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Result, use
from runbook_lib.drills.quota_enforcement import faults as broken
from runbook_lib.drills.quota_enforcement.cases import AT_ONCE, case
from runbook_lib.drills.quota_enforcement.decoys import WELL
from runbook_lib.sandbox import Sandbox

_HANGS = {**AT_ONCE, **deadline(1)}
_NOWHERE = "postgresql://postgres:x@127.0.0.1:9/postgres"
_DATABASE_AWAY = {**AT_ONCE, "RUNBOOK_DATABASE_URL": _NOWHERE}
_LOGS_ONLY = {**AT_ONCE, "RUNBOOK_TEMPO_URL": ""}
_NO_PLATFORM = {**AT_ONCE, "RUNBOOK_VERCEL_TOKEN": ""}
_NAMELESS = tuple(use("spans", part=part, drop_attributes=["*org_id*"]) for part in ("api", "gateway"))
_LOST = Injected("usage.unreported")


def _blind(name: str, status: str, codes: tuple[str, ...] = (), not_seen: tuple[str, ...] = (), **more: Any) -> Case:
    return case(f"blind/quota/{name}", "blind_spot", status, codes, **{"not_seen": not_seen, **more})


def _chats(sandbox: Sandbox, org: str = broken.LARGE) -> Result:
    """Two chats of an organization, without waiting for their spans."""
    sandbox.visit("chat", org=org)
    return sandbox.visit("chat", org=org)


def _stripe() -> list[Case]:
    """Without Stripe nothing can be said of a paying customer but what the records alone carry."""
    cases = []
    for way in UNSEEN:
        settings = _HANGS if way == "hanging" else AT_ONCE
        step = (hide("stripe", way),)
        cases.append(_blind(f"stripe/{way}/healthy", "could_not_tell", (), ("stripe",), after=step, settings=settings))
        cases.append(
            _blind(
                f"stripe/{way}/lost", "could_not_tell", (), ("stripe",), faults=(_LOST,), after=step, settings=settings
            )
        )
    slow = (hide("stripe", "slow"),)
    cases.append(_blind("stripe/slow/healthy", "ruled_out", WELL, after=slow))
    cases.append(
        _blind(
            "stripe/unreachable/unmetered",
            "confirmed",
            ("usage.unmetered",),
            ("stripe",),
            faults=(Injected("usage.unmetered"),),
            after=(hide("stripe", "unreachable"),),
        )
    )
    return cases


_METERS = "/v1/billing/meters*"
_OTHERS = (
    # the Management API stands in for a database that cannot be connected to
    _blind("postgres/unreachable/healthy", "ruled_out", WELL, ("postgres",), settings=_DATABASE_AWAY),
    _blind(
        "postgres/unreachable/lost",
        "confirmed",
        ("usage.unreported",),
        ("postgres",),
        faults=(_LOST,),
        settings=_DATABASE_AWAY,
    ),
    _blind("postgres/not-set/healthy", "ruled_out", WELL, settings={**AT_ONCE, "RUNBOOK_DATABASE_URL": ""}),
    _blind(
        "postgres+management/healthy",
        "could_not_tell",
        (),
        ("postgres", "supabase"),
        settings={**_DATABASE_AWAY, "RUNBOOK_SUPABASE_ACCESS_TOKEN": "sbp_0000000000000000000000000000000000000000"},
    ),
    _blind(
        "team/malformed/healthy",
        "could_not_tell",
        (),
        ("team",),
        before=(use("limits", text="[plans.pro]\ntokens = 'many'\n"),),
    ),
    _blind(
        "team/malformed/lost",
        "confirmed",
        ("usage.unreported",),
        ("team",),
        faults=(_LOST,),
        before=(use("limits", text="plans = 3\n"),),
    ),
    _blind("tempo/unreachable/healthy", "ruled_out", WELL, ("tempo",), after=(hide("tempo", "unreachable"),)),
    _blind(
        "tempo/malformed/lost",
        "confirmed",
        ("usage.unreported",),
        ("tempo",),
        faults=(_LOST,),
        after=(hide("tempo", "malformed"),),
    ),
    _blind(
        "tempo+vercel/healthy",
        "could_not_tell",
        (),
        ("tempo", "vercel"),
        after=(hide("tempo", "unreachable"), hide("vercel", "unreachable")),
    ),
    # a trace backend that holds its requests tells who was served and refused; one that holds none is no witness
    _blind(
        "vercel/unreachable/healthy",
        "ruled_out",
        WELL,
        ("vercel",),
        exercise=broken.visits(broken.LARGE),
        after=(hide("vercel", "unreachable"),),
    ),
    _blind("vercel/unreachable/idle", "could_not_tell", (), ("vercel",), after=(hide("vercel", "unreachable"),)),
    _blind(
        "no-platform/traces-empty",
        "could_not_tell",
        exercise=_chats,
        after=(hide("tempo", "empty"),),
        settle_s=0.3,
        settings=_NO_PLATFORM,
    ),
    _blind(
        "no-platform/spans-without-organizations",
        "could_not_tell",
        before=_NAMELESS,
        exercise=_chats,
        settle_s=0.5,
        settings=_NO_PLATFORM,
    ),
    _blind(
        "no-platform/spans-without-organizations/refused",
        "could_not_tell",
        faults=(Injected("quota.blocked_wrongly"),),
        before=_NAMELESS,
        exercise=lambda sandbox: _chats(sandbox, broken.FREE),
        org=broken.FREE,
        settle_s=0.5,
        settings=_NO_PLATFORM,
    ),
    _blind("audit/no-platform/idle", "could_not_tell", ask=since_fault, settings=_NO_PLATFORM),
    _blind(
        "vercel/unreachable/stale",
        "confirmed",
        ("usage.report_stale",),
        ("vercel",),
        faults=(Injected("usage.report_stale"),),
        after=(hide("vercel", "unreachable"),),
    ),
    # the key may not read meters: usage records are there, and say the same
    _blind(
        "stripe/meters-denied/lost",
        "could_not_tell",
        (),
        ("stripe",),
        faults=(_LOST,),
        after=(hide("stripe", "denied", path=_METERS),),
        never=("usage.report_stale", "usage.no_job"),
    ),
    # what Stripe dropped cannot be read, and usage records, which are never dropped, are not there either
    _blind(
        "stripe/dropped-events-denied/lost",
        "could_not_tell",
        (),
        ("stripe",),
        faults=(_LOST,),
        after=(hide("stripe", "denied", path="/v2/core/events*"),),
        settings={**AT_ONCE, "RUNBOOK_STRIPE_API_VERSION": "2026-10-28.endive"},
    ),
    _blind("no-such-organization", "could_not_tell", org="Nobody & Sons"),
    _blind(
        "audit/stripe/unreachable",
        "could_not_tell",
        (),
        ("stripe",),
        ask=since_fault,
        after=(hide("stripe", "unreachable"),),
    ),
    _blind("audit/postgres/unreachable", "ruled_out", WELL, ("postgres",), ask=since_fault, settings=_DATABASE_AWAY),
    _blind(
        "logs-only/healthy",
        "ruled_out",
        WELL,
        settings=_LOGS_ONLY,
    ),
    _blind(
        "logs-only/refused",
        "could_not_tell",
        (),
        faults=(Injected("quota.blocked_wrongly"),),
        exercise=broken.visits(broken.FREE, count=2),
        org=broken.FREE,
        settle_s=0.3,
        settings=_LOGS_ONLY,
    ),
)

CASES: tuple[Case, ...] = (*_stripe(), *_OTHERS)
