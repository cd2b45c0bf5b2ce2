"""What our own probes may say: only of a provider that the gateway did not call in the window, and only with the gateway's key.

A fallback that is never called has no other witness than this: whether its key is accepted and its account in credit shows
when it is asked. Where the gateway did call, its own calls speak; where our key is another one, it speaks for itself alone.
"""

import re

from runbook_lib.core.model import Finding, Observation, Status
from runbook_lib.core.records.providers import Generation
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.llm_gateway.causes import CATALOGUE
from runbook_lib.procedures.llm_gateway.reading import Reading
from runbook_lib.reading.classify import PROVIDER_FAILURES, classify_provider
from runbook_lib.reading.spans import Fault

# what our own smallest question is refused for, or how long we waited for its answer, says nothing of the gateway's
_OF_THE_QUESTION = frozenset({"request_rejected", "content_filtered", "stream_broken", "model_gone", "timeout"})
_HTTP = re.compile(r"HTTP (\d{3})")


def probe_findings(reading: Reading) -> list[Finding]:
    """Members of the chain that would refuse the gateway if it fell back to them now."""
    called = {call.provider for call in reading.calls.all}
    found = []
    for provider in reading.chain.providers:
        if provider in called or not reading.is_gateways_key(provider):
            continue
        for call in ("generation", "models"):
            look = reading.look_at(provider, call)
            if look is not None and (finding := _refused(provider, look)) is not None:
                found.append(finding)
                break
    return found


def _refused(provider: str, look: Observation) -> Finding | None:
    """The finding of a probe that the vendor refused; None for one that it answered, or that did not reach it."""
    if look.status == Status.denied and (match := _HTTP.search(look.why)):
        refused = Fault(int(match[1]), "", look.why)
    else:
        answer = whole_record(look, Generation) if look.call == "generation" else None
        if answer is None or answer["ok"]:
            return None
        refused = Fault(answer["status_code"], answer["type"] or "", answer["message"] or "", answer["code"] or "")
    named = classify_provider(refused)
    kind = named.code.rpartition(".")[2]
    if kind not in PROVIDER_FAILURES or kind in _OF_THE_QUESTION:
        return None
    summary = (
        f"{provider} {named.what} now ({look.why or refused.text}); the key is the gateway's own, and it has not called {provider} "
        "in the window"
    )
    return CATALOGUE.finding(PROVIDER_FAILURES[kind], provider, summary, [look.id])
