"""Matching in linear time (RE2), over bytes: a text that is made to be slow to search is searched as fast as any other."""

import re2  # type: ignore[import-untyped]  # it ships none

_MEMORY_BYTES = 64 << 20  # of the automaton that a large pattern unfolds into; above it RE2 is slower, and still linear


def linear(pattern: bytes) -> "re2._Regexp":
    """A pattern of RE2's syntax over bytes: no look-around, no back references. Compiled once for each pattern."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    return re2.compile(pattern, options)


def literal(text: bytes) -> bytes:
    """A text as a pattern that matches it and nothing else."""
    quoted: bytes = re2.escape(text)
    return quoted
