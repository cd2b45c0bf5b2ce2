"""The fallback: whether there is anything to fall back to, whether it was tried, and whether its members exist."""

from collections.abc import Sequence

from runbook_lib.core.model import Finding
from runbook_lib.procedures.llm_gateway.calls import Request
from runbook_lib.procedures.llm_gateway.causes import CATALOGUE
from runbook_lib.procedures.llm_gateway.reading import Reading
from runbook_lib.procedures.llm_gateway.topics import CHAIN

# Another provider would refuse the same payload too; whether to ask it what one refuses for its policy is the team's choice.
_FINAL = frozenset({"request_rejected", "content_filtered"})
_MODELS_OWN = frozenset({"model_gone"})


def fallback_findings(reading: Reading) -> tuple[list[Finding], list[Finding]]:
    """What is wrong with the fallback, and what is worth saying though nothing came of it."""
    could_fall_back = [request for request in reading.calls.failing if _could_fall_back(request)]
    could_fall_back = [] if reading.is_noise(could_fall_back) else could_fall_back
    untried = {request.id: _untried(reading, request) for request in could_fall_back}
    not_tried = [request for request in could_fall_back if untried[request.id]]
    chain = reading.chain
    if not_tried and 2 * len(not_tried) >= len(could_fall_back):
        return [_not_firing(reading, not_tried, untried[not_tried[-1].id])], []
    if chain.source == "settings":  # ours need not be the gateway's: what it lacks is no fault of the gateway
        return [], []
    if chain.is_set and len(chain.members) == 1:
        (member,) = chain.members
        tail = f"; {len(could_fall_back)} requests failed with it" if could_fall_back else ""
        summary = f"the chain has one member, {member} ({_told_by(reading)}){tail}"
        return [CATALOGUE.finding("gateway.no_fallback", member, summary, _evidence(reading, could_fall_back))], []
    one = chain.providers[0] if len(chain.providers) == 1 and len(chain.members) > 1 and chain.is_set else ""
    if one:
        summary = f"all {len(chain.members)} members of the chain are of {one} ({_told_by(reading)})"
        found = CATALOGUE.finding("gateway.no_fallback.one_provider", one, summary, _evidence(reading, could_fall_back))
        befell_all = any(call.failure not in _MODELS_OWN for request in could_fall_back for call in request.calls)
        return ([found], []) if befell_all else ([], [found])
    was_read = bool(chain.evidence)  # that it was not seen to be set does not say that it is not
    if could_fall_back and was_read and not chain.is_set and len(reading.seen_targets) == 1:
        summary = (
            f"no chain is set ({CHAIN} is nowhere to be seen), and {len(could_fall_back)} requests failed after trying "
            f"{reading.seen_targets[0]} alone"
        )
        evidence = _evidence(reading, could_fall_back)
        return [CATALOGUE.finding("gateway.no_fallback", reading.seen_targets[0], summary, evidence)], []
    return [], []


def _could_fall_back(request: Request) -> bool:
    """Whether another member could have saved the request, and it can be told which were tried."""
    last = request.last
    return request.is_whole and not last.ok and not last.in_stream and last.failure not in _FINAL


def _untried(reading: Reading, request: Request) -> list[str]:
    """The chain's members that a failed request did not try; by what others tried, where the gateway's own chain is not known:
    the one in our settings need not be it."""
    chain = reading.chain
    members = (chain.at(request) if chain.source == "platform" else ()) or reading.seen_targets
    tried = {call.target for call in request.calls}
    return [member for member in members if member not in tried]


def _not_firing(reading: Reading, requests: Sequence[Request], untried: Sequence[str]) -> Finding:
    last = requests[-1].last
    summary = (
        f"{len(requests)} requests failed with {last.target} ({last.what}) and were given up although the chain goes on "
        f"with {', '.join(untried)} ({_told_by(reading)})"
    )
    return CATALOGUE.finding("gateway.fallback_not_firing", "gateway", summary, _evidence(reading, requests))


def _told_by(reading: Reading) -> str:
    where = {
        "platform": f"{CHAIN} as the gateway's platform holds it",
        "settings": f"{CHAIN} of this machine's settings",
    }
    return where.get(reading.chain.source, "as other requests show")


def _evidence(reading: Reading, requests: Sequence[Request]) -> list[str]:
    return [*reading.chain.evidence, *(request.last.observation for request in requests)]


def unoffered_members(reading: Reading) -> tuple[list[Finding], list[str]]:
    """Members of the chain that were never called and that their provider does not list: (faults, words).

    A fault only where the list was asked with the gateway's own key; with another key it is worth a word, no more.
    """
    found, words = [], []
    for member in reading.chain.members:
        provider, _, model = member.partition("/")
        offered = reading.offered(provider)
        if (
            offered is None
            or model in offered[0]
            or member in reading.seen_targets
            or reading.good_calls(provider, model)
        ):
            continue
        if reading.is_gateways_key(provider):
            summary = (
                f"{member} stands in the chain ({_told_by(reading)}), and {provider} does not offer it to this key"
            )
            evidence = [*reading.chain.evidence, offered[1]]
            found.append(CATALOGUE.finding("gateway.wrong_model_configured", member, summary, evidence))
        else:
            words.append(f"{member} is not on offer to our key, which may not be the gateway's")
    return found, words
