"""What a model's calls usually take, normalised by output tokens: a long answer takes long and is not slow.

The normal is a line, so much before the first token and so much for each, through the quicker half of the model's own calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.procedures.llm_gateway.calls import Call

SLOW_FACTOR = 3.0
SLOW_MARGIN_MS = 1000.0  # beside what a model usually takes, less than a second more is nobody's incident
ENOUGH = 6  # calls to know a normal from


@dataclass(frozen=True)
class Normal:
    """What a model's calls usually take: so many ms, and so many more for each output token."""

    base_ms: float
    per_token_ms: float

    def expected_ms(self, tokens: int | None) -> float:
        """For an answer of so many tokens; of the usual length where that is unknown."""
        return self.base_ms + self.per_token_ms * (tokens or 0)

    def is_slow(self, call: Call) -> bool:
        """Whether a call took several times as long, and by enough that somebody would notice."""
        usual = self.expected_ms(call.output_tokens)
        return (call.duration_ms or 0) > max(SLOW_FACTOR * usual, usual + SLOW_MARGIN_MS)


def normal_of(calls: Sequence[Call]) -> Normal | None:
    """The line of the quicker half of the calls; None with too few of them. Calls are taken as they are per token, so that a
    time in which most were slow does not become the normal as long as some were quick."""
    timed = [(call.duration_ms or 0.0, call.output_tokens or 0) for call in calls]
    if len(timed) < ENOUGH:
        return None
    timed.sort(key=lambda each: each[0] / (each[1] + 20))  # a short answer is mostly waiting for the first token
    quick = timed[: max(ENOUGH // 2, len(timed) // 2)]
    mean_ms = sum(ms for ms, _ in quick) / len(quick)
    mean_tokens = sum(tokens for _, tokens in quick) / len(quick)
    spread = sum((tokens - mean_tokens) ** 2 for _, tokens in quick)
    slope = sum((ms - mean_ms) * (tokens - mean_tokens) for ms, tokens in quick) / spread if spread else 0.0
    slope = min(max(slope, 0.0), mean_ms / mean_tokens if mean_tokens else 0.0)
    return Normal(mean_ms - slope * mean_tokens, slope)
