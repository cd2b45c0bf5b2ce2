"""What 04 shows: the calls by provider and model, what each provider answers us, the chain against what is on offer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from runbook_lib.core.model import Json
from runbook_lib.core.percentile import percentile
from runbook_lib.core.records.providers import Generation, Limit, ModelsOnOffer
from runbook_lib.judging.answers import record_of
from runbook_lib.procedures.llm_gateway.calls import Call, iso_of
from runbook_lib.procedures.llm_gateway.reading import PROVIDERS, Reading


def provider_rows(reading: Reading) -> list[dict[str, Json]]:
    """Each provider and model: calls, failures and what they were, latency, time per output token."""
    grouped: dict[str, list[Call]] = {}
    for call in reading.calls.all:
        grouped.setdefault(call.target, []).append(call)
    return [_row(target, calls) for target, calls in grouped.items()]


def _row(target: str, calls: Sequence[Call]) -> dict[str, Json]:
    bad = [call for call in calls if not call.ok]
    took = [call.duration_ms for call in calls if call.ok and call.duration_ms is not None]
    per_token = [
        call.duration_ms / call.output_tokens for call in calls if call.ok and call.duration_ms and call.output_tokens
    ]
    kinds = Counter(call.failure for call in bad)
    return {
        "provider/model": target,
        "calls": len(calls),
        "failed": len(bad),
        "error_ratio": round(len(bad) / len(calls), 4),
        "failed how": ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or None,
        "p50_ms": round(median(took), 1) if took else None,
        "p95_ms": round(percentile(took, 95), 1) if took else None,
        "ms a token": round(median(per_token), 2) if per_token else None,
        "last": iso_of(calls[-1].at_s),
    }


def request_rows(reading: Reading, most: int = 50) -> list[dict[str, Json]]:
    """The requests in which something failed, the newest first: their attempts in order, the waits between, the end."""
    troubled = [
        request for request in reading.calls.requests if request.failed or any(not call.ok for call in request.calls)
    ]
    return [
        {
            "at": iso_of(request.at_s),
            "attempts": ", ".join(f"{call.target} {call.failure or 'answered'}" for call in request.calls),
            "waits": ", ".join(f"{call.gap_s:.2f} s" for call in request.calls[1:] if call.gap_s is not None) or None,
            "ended": {True: "well", False: "failed", None: "not told"}[request.answered],
        }
        for request in reversed(troubled[-most:])
    ]


def latency_points(reading: Reading) -> dict[str, Json]:
    """The calls over time, for the latency plot."""
    return {
        "points": [
            {"at": iso_of(call.at_s), "ms": call.duration_ms, "failed": not call.ok, "label": call.failure or "ok"}
            for call in reading.calls.all
        ],
        "window": reading.evidence.window.as_dict(),
        "baseline_p95_ms": None,
        "deployments": [],
        "request": None,
    }


def health_rows(reading: Reading) -> list[dict[str, Json]]:
    """What each provider answers us, which need not be what it answers the gateway."""
    rows = []
    for provider in PROVIDERS:
        reach, models = reading.look_at(provider, "reach"), reading.look_at(provider, "models")
        probe, incident = reading.look_at(provider, "generation"), reading.incident(provider)
        offered, generation = record_of(models, ModelsOnOffer), record_of(probe, Generation)
        limits = generation["limits"] if generation else offered["limits"] if offered and not probe else {}
        same = reading.is_gateways_key(provider)
        rows.append(
            {
                "provider": provider,
                "answers here": str(reach.status) if reach else None,
                "models on offer": len(offered["models"]) if offered else models and str(models.status),
                "requests left": _left(limits, "requests"),
                "tokens left": _left(limits, "tokens"),
                "paid probe": _paid(generation) if generation else probe and str(probe.status),
                "status page": incident[0] if incident else None,
                "our key is the gateway's": {True: "yes", False: "no", None: "not known"}[same],
            }
        )
    return rows


def _left(limits: Mapping[str, Limit], kind: str) -> str | None:
    limit = limits.get(kind)
    return f"{limit['remaining']} of {limit['limit']}" if limit else None


def _paid(generation: Generation) -> str:
    if generation["ok"]:
        return f"answered in {generation['ms']:.0f} ms"
    return f"HTTP {generation['status_code']} {generation['code'] or generation['type'] or ''}".strip()


def chain_rows(reading: Reading) -> list[dict[str, Json]]:
    """Each member of the chain: whether it is on offer, how often it was called and how that went."""
    rows = []
    for number, member in enumerate(reading.chain.members, 1):
        provider, _, model = member.partition("/")
        offered = reading.offered(provider)
        calls = [call for call in reading.calls.all if call.target == member]
        rows.append(
            {
                "number": number,
                "member": member,
                "on offer to our key": None if offered is None else "yes" if model in offered[0] else "no",
                "calls": len(calls),
                "failed": sum(not call.ok for call in calls),
            }
        )
    return rows
