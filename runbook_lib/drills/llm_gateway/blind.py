"""Blind spots of 04: each source in turn cannot be seen, while a provider refuses the gateway's key and while all is well.

The verdict is still right from what remains, with the blind spot named; or could_not_tell. Never wrong.
"""

from typing import Any

from runbook_lib.drills.kit.asking import since_fault
from runbook_lib.drills.kit.blind import WAYS, blind_fields, deadline, hide
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.llm_gateway.asking import PATIENT
from runbook_lib.drills.llm_gateway.cases import KINDS_OF_SANDBOX, PROCEDURE, QUIET
from runbook_lib.drills.llm_gateway.faults import chats

_KEY = Injected("provider.key_invalid", "openai")
_OPTIONS: dict[str, dict[str, Any]] = {"fly": KINDS_OF_SANDBOX["fly-old-names"], "jaeger": KINDS_OF_SANDBOX["jaeger"]}
_NOWHERE = "http://127.0.0.1:9"


def _case(name: str, injected: Injected | None, **more: Any) -> Case:
    given: dict[str, Any] = {
        "options": QUIET,
        "status": "confirmed" if injected else "ruled_out",
        "codes": (injected.code,) if injected else (),
        "faults": (injected,) if injected else (),
        "exercise": chats(),
        "ask": since_fault,
        "settle_s": 0.8,
    }
    given |= more
    given["settings"] = {**PATIENT, **given.get("settings", {})}
    what = "fault" if injected else "healthy"
    return Case(f"gateway-blind/{name}/{what}", PROCEDURE, "blind_spot", **given)


def _each_source() -> list[Case]:
    """The witnesses of the calls: platform and trace backend, in every way that there is."""
    cases = []
    for source in ("railway", "fly", "tempo", "jaeger"):
        for way in WAYS if source in ("railway", "tempo") else ("unreachable", "hanging"):
            more: dict[str, Any] = {**blind_fields(source, way), "options": _OPTIONS.get(source, QUIET)}
            cases.append(_case(f"{source}/{way}", _KEY, **more))
            if way in ("unreachable", "hanging", "empty"):
                # the gateway's own chain stands on its platform alone: without it nobody knows that there is a fallback
                hidden = {"status": "could_not_tell"} if source in ("railway", "fly") else {}
                cases.append(_case(f"{source}/{way}", None, **more, **hidden))
    return cases


def _our_own_eyes() -> list[Case]:
    """What only this machine looks at: providers, status pages, the gateway's own page."""
    cases: list[Case] = []
    ours: list[tuple[str, dict[str, Any]]] = [
        ("openai/unreachable", {"settings": {"RUNBOOK_OPENAI_URL": _NOWHERE}, "not_seen": ("openai",)}),
        ("openai/no-key", {"settings": {"OPENAI_API_KEY": ""}, "not_seen": ("openai",)}),
        ("status/malformed", blind_fields("status", "malformed")),
        ("vercel/unreachable", blind_fields("vercel", "unreachable")),
        ("chain/not-set-here", {"settings": {"LLM_FALLBACK_CHAIN": ""}}),
    ]
    for name, more in ours:
        cases.append(_case(name, None, **more))
    cases.append(_case(ours[0][0], _KEY, **ours[0][1]))
    cases.append(_case(ours[-1][0], _KEY, **ours[-1][1]))
    here: dict[str, Any] = {"settings": {"RUNBOOK_GATEWAY_URL": _NOWHERE}, "not_seen": ("parts",)}
    cases.append(_case("gateway/unreachable-from-here", _KEY, **here))
    cases.append(_case("gateway/unreachable-from-here", None, status="could_not_tell", **here))
    return cases


def _together() -> list[Case]:
    """Two witnesses at once: what remains does not suffice. And twins that only one look tells apart."""
    both = (hide("tempo", "unreachable"), hide("railway", "unreachable"))
    no_reach = {"RUNBOOK_OPENAI_URL": _NOWHERE}
    return [
        _case("tempo+railway", _KEY, status="could_not_tell", codes=(), after=both, not_seen=("tempo", "railway")),
        _case("tempo+railway", None, status="could_not_tell", after=both, not_seen=("tempo", "railway")),
        Case(
            "gateway-blind/no-connection-and-nobody-asked-the-provider",
            PROCEDURE,
            "blind_spot",
            "could_not_tell",
            faults=(Injected("gateway.egress_broken.refused"),),
            not_seen=("openai",),
            settings=deadline(2),
            after=(hide("openai", "hanging"),),
            options=QUIET,
            ask=since_fault,
            settle_s=0.8,
        ),
        Case(
            "gateway-blind/no-connection-from-here-either",
            PROCEDURE,
            "blind_spot",
            "confirmed",
            ("provider.down",),
            never=("gateway.egress_broken",),
            faults=(Injected("gateway.egress_broken.refused"),),
            settings={**PATIENT, **no_reach},
            not_seen=("openai",),
            options=QUIET,
            ask=since_fault,
            settle_s=0.8,
        ),
    ]


CASES: tuple[Case, ...] = (*_each_source(), *_our_own_eyes(), *_together())
