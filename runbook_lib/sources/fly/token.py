"""When a Fly.io token ends and whether it can write: its macaroons say so themselves. Read, never verified; it stays in the look.

Form: superfly/macaroon, format.go, caveat.go and caveats.go (read November 2026): `FlyV1 fm2_<base64>,fm2_<base64>…`, each a
MessagePack array [nonce, location, caveats, tail], the caveats a flat array of type and body; type 4 is ValidityWindow
[not before, not after] in epoch seconds, type 0 is Organization [id, mask of what may be done], resset/action.go: bit 1 reads, the
others write, create, delete, control. `fly tokens create readonly` adds one whose mask is 1 (flyctl, tokens/create.go), and every
caveat must allow what is asked for.
"""

import base64
import struct
from typing import Any

from runbook_lib.core.clock import from_epoch_s, to_iso

_ORGANIZATION, _VALIDITY_WINDOW = 0, 4
_ONLY_READS = 1
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_BYTES = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_ARRAYS, _MAPS = {0xDC: ">H", 0xDD: ">I"}, {0xDE: ">H", 0xDF: ">I"}
_DEEPEST = 32


def expiry_of(token: str) -> str | None:
    """When the first of the token's macaroons ends; None where none says so, and for a token of another sort."""
    ends = [end for part in token.removeprefix("FlyV1 ").split(",") for end in _ends(part.strip())]
    try:
        return to_iso(from_epoch_s(min(ends))) if ends else None
    except (ValueError, OverflowError, OSError):
        return None


def can_write(token: str) -> bool | None:
    """Whether the token lets its holder change anything; None where a caveat that is not read here may forbid it.

    A macaroon without a caveat on the organization is no permission but the proof of a login that another one asks for.
    """
    caveats = [_caveats(part.strip()) for part in token.removeprefix("FlyV1 ").split(",")]
    told = [_writes(each) for each in caveats if any(kind == _ORGANIZATION for kind, _ in each)]
    if not told or (None in told and True not in told):
        return None
    return any(told)


def _writes(caveats: list[tuple[Any, Any]]) -> bool | None:
    try:
        masks = [int(body[1]) for kind, body in caveats if kind == _ORGANIZATION]
    except (ValueError, IndexError, TypeError, KeyError):
        return None
    if any(mask | _ONLY_READS == _ONLY_READS for mask in masks):
        return False
    return True if all(kind in (_ORGANIZATION, _VALIDITY_WINDOW) for kind, _ in caveats) else None


def _ends(macaroon: str) -> list[int]:
    try:
        return [int(body[1]) for kind, body in _caveats(macaroon) if kind == _VALIDITY_WINDOW and 0 < body[1] < 2**40]
    except (ValueError, IndexError, TypeError, KeyError):
        return []


def _caveats(macaroon: str) -> list[tuple[Any, Any]]:
    """A macaroon's caveats, type and body; empty for what is none."""
    label, _, encoded = macaroon.partition("_")
    if label not in ("fm2", "fm1r", "fm1a"):
        return []
    try:
        fields, _ = _read(base64.b64decode(encoded + "=" * (-len(encoded) % 4)), 0, 0)
        flat = fields[2]
        return list(zip(flat[::2], flat[1::2], strict=False))
    except (ValueError, IndexError, TypeError, KeyError, struct.error):
        return []


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """One MessagePack value and where the next begins. Raises ValueError, IndexError or struct.error for what is none."""
    first, at = data[at], at + 1
    if depth > _DEEPEST:
        raise ValueError("too deep")
    if first < 0x80:
        return first, at
    if first >= 0xE0:
        return first - 256, at
    if first < 0x90:
        return _many(data, at, 2 * (first & 0x0F), depth)
    if first < 0xA0:
        return _many(data, at, first & 0x0F, depth)
    if first < 0xC0:
        return data[at : at + (first & 0x1F)], at + (first & 0x1F)
    if first in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[first], at
    if first in _NUMBERS:
        return _number(data, at, _NUMBERS[first])
    if first in _BYTES:
        size, at = _number(data, at, _BYTES[first])
        return data[at : at + size], at + size
    if first in _ARRAYS or first in _MAPS:
        count, at = _number(data, at, (_ARRAYS | _MAPS)[first])
        return _many(data, at, count * (2 if first in _MAPS else 1), depth)
    raise ValueError("an extension, which no macaroon has")


def _number(data: bytes, at: int, form: str) -> tuple[Any, int]:
    return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)


def _many(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    if count > len(data):
        raise ValueError("longer than the whole")
    found = []
    for _ in range(count):
        value, at = _read(data, at, depth + 1)
        found.append(value)
    return found, at
