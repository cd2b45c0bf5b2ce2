"""What 04 proposes: another order of providers, or another model, as the exact change of one variable. Nothing here acts."""

import json
from collections.abc import Sequence
from difflib import get_close_matches

from runbook_lib.core.model import Finding
from runbook_lib.core.records.gateway import ChainSetting, FlyGatewaySettings, RailwayGatewaySettings
from runbook_lib.judging.answers import whole_record
from runbook_lib.judging.plan import Plan, PlanStep
from runbook_lib.procedures.llm_gateway.reading import PROVIDERS, Reading
from runbook_lib.procedures.llm_gateway.topics import CHAIN, members_of

_MOVES = ("provider.down", "provider.overloaded", "provider.rate_limited", "provider.slow", "provider.key_invalid",
          "provider.access_denied", "provider.out_of_credit", "gateway.egress_broken")  # fmt: skip
_REPLACES = ("provider.model_gone", "gateway.wrong_model_configured")
_WIDENS = ("gateway.no_fallback",)
_MUTATION = "mutation VariableUpsert($input: VariableUpsertInput!) { variableUpsert(input: $input) }"


def plans_for(reading: Reading, faults: Sequence[Finding]) -> list[Plan]:
    """At most one plan: the chain as it should be while these faults last. None where a chain would not help or is not known."""
    members = list(reading.chain.members)
    if not members:
        return []
    why: list[str] = []
    proposed = _replaced(reading, members, faults, why)
    proposed = _moved(proposed, faults, why)
    proposed = _widened(reading, proposed, faults, why)
    proposed = _by_hand(proposed, faults, why)
    if proposed == members or not why:
        return []
    before = reading.chain.text or None
    step = _step(reading, ", ".join(proposed), before)
    back = f"set {CHAIN} to {before!r} in the same way" if before else f"unset {CHAIN} in the same way"
    return [
        Plan(
            "; ".join(why),
            (step,),
            back,
            "answers already given by the other provider, and what they cost; the gateway is deployed anew each time",
        )
    ]


def _replaced(reading: Reading, members: list[str], faults: Sequence[Finding], why: list[str]) -> list[str]:
    """A model that is not there is replaced by the most alike that is, or left out."""
    gone = {finding.subject for finding in faults if finding.code in _REPLACES}
    proposed = []
    for member in members:
        if member not in gone:
            proposed.append(member)
            continue
        other = _alike(reading, member, [*members, *proposed])
        why.append(f"{member} → {other}" if other else f"without {member}")
        proposed += [other] if other else []
    return proposed


def _alike(reading: Reading, member: str, taken: Sequence[str]) -> str:
    """The model that the same provider offers and that is most alike by name: one that has answered the gateway, if any."""
    provider, _, model = member.partition("/")
    offered = reading.offered(provider)
    names = [name for name in (offered[0] if offered else []) if f"{provider}/{name}" not in taken]
    answered = [name for name in names if reading.good_calls(provider, name)]
    near = get_close_matches(model, answered or names, n=1, cutoff=0.5)
    return f"{provider}/{near[0]}" if near else ""


def _moved(members: list[str], faults: Sequence[Finding], why: list[str]) -> list[str]:
    """The members of failing providers go to the end, in their order."""
    bad = {finding.subject for finding in faults if finding.code.startswith(_MOVES)}
    providers = {name for subject in bad for name in subject.split(", ")}
    last = [member for member in members if member in bad or member.partition("/")[0] in providers]
    first = [member for member in members if member not in last]
    if not first or members[: len(first)] == first:
        return members
    why.append(f"{first[0]} first while {', '.join(sorted(bad))} is in trouble")
    return [*first, *last]


def _widened(reading: Reading, members: list[str], faults: Sequence[Finding], why: list[str]) -> list[str]:
    """A chain without fallback gets a member of another provider: one that has answered the gateway, else one on offer."""
    if not any(finding.code.startswith(_WIDENS) for finding in faults):
        return members
    has = {member.partition("/")[0] for member in members}
    in_trouble = {finding.subject.partition("/")[0] for finding in faults if finding.code.startswith(_MOVES)}
    known = [target for target in reading.seen_targets if target.partition("/")[0] not in has]
    settings = (whole_record(look, ChainSetting) for look in reading.evidence.settings if look.source == "gateway")
    ours = next((each["chain"] for each in settings if each is not None), "")
    known += [member for member in members_of(ours) if member.partition("/")[0] not in has and member not in known]
    for provider in PROVIDERS:
        offered = reading.offered(provider)
        if provider not in has and offered and not any(each.startswith(f"{provider}/") for each in known):
            known.append(f"{provider}/{offered[0][0]}")
    usable = [member for member in known if member.partition("/")[0] not in in_trouble]
    if not usable:
        return members
    why.append(f"with {usable[0]} to fall back to")
    first_in_trouble = members[0].partition("/")[0] in in_trouble
    return [usable[0], *members] if first_in_trouble else [*members, usable[0]]


def _by_hand(members: list[str], faults: Sequence[Finding], why: list[str]) -> list[str]:
    """Where the gateway does not fall back by itself, the next member is put first by hand."""
    if why or not any(finding.code == "gateway.fallback_not_firing" for finding in faults) or len(members) < 2:
        return members
    why.append(f"{members[1]} first, by hand, for the gateway does not fall back by itself")
    return [*members[1:], members[0]]


def _step(reading: Reading, value: str, before: str | None) -> PlanStep:
    """The change on the platform in use."""
    for look in reading.evidence.settings:
        name = f"{look.source}.{look.call}"
        railway = whole_record(look, RailwayGatewaySettings) if name == "railway.gateway_settings" else None
        if railway is not None:
            given = {
                "projectId": railway["place"]["project_id"],
                "environmentId": railway["place"]["environment_id"],
                "serviceId": railway["place"]["service_id"],
                "name": CHAIN,
                "value": value,
            }
            body = json.dumps({"query": _MUTATION, "variables": {"input": given}}, indent=1)
            return PlanStep(
                f"Railway, the gateway's service, variable {CHAIN}", f"POST /graphql/v2\n{body}", before, value
            )
        fly = whole_record(look, FlyGatewaySettings) if name == "fly.gateway_settings" else None
        if fly is not None:
            app = fly["place"]["app"]
            command = f"fly secrets set {CHAIN}='{value}' --app {app}"
            return PlanStep(f"Fly.io, app {app}, variable {CHAIN}", command, before, value)
    return PlanStep(f"the gateway's platform, variable {CHAIN}", f"set {CHAIN}={value} and deploy", before, value)
