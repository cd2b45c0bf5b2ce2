"""'Perhaps you meant …': the closest known name, by shared letter groups.

Source: PostgREST asks a fuzzy set for it (grams of 2 and 3 letters, cosine similarity, at least 0.75).
"""

import math
from collections import Counter
from collections.abc import Iterable


def closest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like this one, or None when none is like enough."""
    wanted = _grams(name)
    scored = [(_cosine(wanted, _grams(other)), other) for other in known]
    best = max(scored, default=(0.0, ""))
    return best[1] if best[0] >= 0.75 else None


def _grams(text: str) -> Counter[str]:
    padded = f"-{text.lower()}-"
    return Counter(padded[at : at + size] for size in (2, 3) for at in range(len(padded) - size + 1))


def _cosine(a: Counter[str], b: Counter[str]) -> float:
    dot = sum(count * b[gram] for gram, count in a.items())
    return dot / (math.hypot(*a.values()) * math.hypot(*b.values())) if a and b else 0.0
