"""Durations as Go programs read and write them: `1h2m3.5s`, and Prometheus' `1d`, `2w`."""

import re

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
    "y": 31_536_000_000_000_000,
}
_GO = {unit for unit in _UNITS_NS if unit not in "dwy"}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)")
_MAX_NS = (1 << 63) - 1


def parse_go(text: str, *, units: frozenset[str] = frozenset(_GO)) -> int:
    """Nanoseconds of Go's time.ParseDuration. Raises ValueError in Go's words."""
    rest = text.removeprefix("-").removeprefix("+")
    if rest == "0":
        return 0
    total = 0.0
    at = 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None or part[2] not in units:
            break
        total += float(part[1]) * _UNITS_NS[part[2]]
        at = part.end()
    if not rest or at < len(rest) or total > _MAX_NS:
        if re.fullmatch(r"[\d.]+", rest):
            raise ValueError(f'time: missing unit in duration "{text}"')
        raise ValueError(f'time: invalid duration "{text}"')
    return -round(total) if text.startswith("-") else round(total)


def parse_any(text: str) -> int:
    """Nanoseconds of a Go or Prometheus duration (also d, w, y), as TraceQL and Tempo's `since` and `step` accept them."""
    return parse_go(text, units=frozenset(_UNITS_NS))


def format_go(duration_ns: int) -> str:
    """Go's Duration.String(): `168h0m0s`, `1.5s`, `20ms`, `0s`."""
    sign = "-" if duration_ns < 0 else ""
    left = abs(duration_ns)
    if left == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if left < size * 1000:
            return f"{sign}{_decimal(left, size)}{unit}"
    hours, left = divmod(left, _UNITS_NS["h"])
    minutes, left = divmod(left, _UNITS_NS["m"])
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(left, _UNITS_NS['s'])}s"


def _decimal(amount: int, size: int) -> str:
    whole, part = divmod(amount, size)
    if not part:
        return str(whole)
    return f"{whole}.{str(part).rjust(len(str(size)) - 1, '0').rstrip('0')}"
