"""The nearest-rank percentile: the one way in which "p95" is meant, for a verdict as for a picture of it."""

from collections.abc import Sequence


def percentile(values: Sequence[float], percent: int) -> float:
    """The least value that at least so many percent of the values do not exceed: one that occurred, never one between two.

    Raises IndexError where there is no value: what "none" means is the caller's to say.
    """
    return sorted(values)[max(0, -(-percent * len(values) // 100) - 1)]
