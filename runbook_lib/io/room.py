"""How much a run holds in memory: what a look takes in is counted after decoding, and refused before it is too much.

A body counts its bytes twice as they are decoded, for its pieces are joined in the end. JSON counts again when it is parsed: a
number or a short text takes about `VALUE_BYTES` in Python, whatever the few bytes it is written in, and an answer is there twice
while it is masked. When a look has ended, only what it brought still counts. With an interpreter of 100 MB this keeps a run under
1 GB, whatever its sources answer.
"""

import gc
import threading

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status

RUN_BYTES = 760 << 20  # a trace of 100,000 spans, 40 MB of JSON, still fits
VALUE_BYTES = 80  # of one value in a parsed document: its object, its place in a list or a dict, its share of keys


_MUCH = 32 << 20


class Room:
    """The memory of one run, shared by its looks. Args: most_bytes: how much they may hold together."""

    def __init__(self, most_bytes: int = RUN_BYTES) -> None:
        self.most_bytes = most_bytes
        self._held = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Count so many bytes in; False where they do not fit, and nothing is counted."""
        with self._lock:
            if self._held + count > self.most_bytes:
                return False
            self._held += count
            return True

    def give_back(self, count: int) -> None:
        """Count so many bytes out."""
        with self._lock:
            self._held -= count


class Share:
    """What one look holds of its run's room. A look that works alone (no run) has a room of its own."""

    def __init__(self, room: Room | None = None) -> None:
        self._room = room or Room()
        self._held = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Hold so many bytes more. Raises LookError(malformed) where the run has no room for them."""
        if not self._room.take(count):
            most = self._room.most_bytes >> 20
            raise LookError(
                Status.malformed,
                f"too large: with {self._held >> 20} MB of this answer, the run would hold more than {most} MB in memory",
                do_next="narrow the window or the question, so that less is answered",
            )
        with self._lock:
            self._held += count

    def take_parsed(self, encoded: bytes) -> None:
        """Hold what this JSON becomes when it is parsed and masked. Raises LookError(malformed) as `take`."""
        self.take(len(encoded) + 2 * VALUE_BYTES * count_values(encoded))

    def keep(self, encoded: bytes) -> bool:
        """Give everything back but what this recorded answer takes; False where even that does not fit."""
        self.give_back()
        count = len(encoded) + VALUE_BYTES * count_values(encoded)
        if not self._room.take(count):
            return False
        self._held = count
        return True

    def give_back(self) -> None:
        """The look holds nothing any more."""
        with self._lock:
            held, self._held = self._held, 0
        if held > _MUCH:
            gc.collect()  # an error and the frames that it came through hold each other, and what was read
        self._room.give_back(held)


def count_values(encoded: bytes) -> int:
    """About how many values a JSON text has: what separates and opens them is counted, in its texts too."""
    return encoded.count(b",") + encoded.count(b"[") + encoded.count(b"{") + encoded.count(b":")
