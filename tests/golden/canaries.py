"""Canaries: secrets that no rule of ours has seen together, in every spelling and under every telling name, and how they are found.

A canary is one line of text with one secret in it. Each secret occurs nowhere else, so that a piece of it in any file is a leak.
"""

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.core.masking.linear import linear, literal
from tests.unit.masking.test_known_values import SPELLINGS
from tests.unit.masking.test_named import WRITTEN
from tests.unit.masking.test_shapes import SECRETS

# What the settings of the target hold; the runbook has to find these in whatever spelling.
KNOWN = {
    "STRIPE_SECRET_KEY": "rk0canaryStripe7Qw2Er9Ty4Ui6",
    "SUPABASE_SERVICE_ROLE_KEY": "c4n4ry/Supa+base=Z8x'7 \"v6&b5",
    "RUNBOOK_TEMPO_TOKEN": "canary-tempo-Ünïcode-4f6h8j0l",
}
_PIECE = 9  # letters and digits in a row that no text holds by chance


@dataclass(frozen=True)
class Canary:
    """One line, and the pieces by which its secret is known again."""

    name: str
    text: str
    pieces: tuple[str, ...] = field(compare=False)


def canaries() -> Iterator[Canary]:
    """All of them: known values in every spelling, unknown ones under every name, and keys of known shapes."""
    for setting, value in KNOWN.items():
        for spelling, write in SPELLINGS.items():
            written = write(value)
            yield Canary(f"{setting}, {spelling}", f"it said {written} then", _pieces(written))
    for number, written in enumerate(WRITTEN):
        secret = f"zX9Kq7mW4r{number:03d}Q8"
        yield Canary(f"named {number}: {written}", written.replace("HERE", secret), (secret,))
    for secret in SECRETS:
        yield Canary(f"shape {secret}", f"used {secret} for it", (secret,))


def members(number: int) -> tuple[dict[str, Any], list[Canary]]:
    """What an answer may hold beside what is read: fields whose names tell of a secret, in the shapes of several vendors."""
    said, planted = {}, []
    for at, (name, shape) in enumerate(_MEMBERS.items()):
        secret = f"pL5Nt8sH2{number:04d}{at:02d}v"
        said[name] = shape(secret)
        planted.append(Canary(f"member {name}", "", (secret,)))
    return said, planted


_MEMBERS: dict[str, Callable[[str], Any]] = {
    "password": str,
    "apiKey": str,
    "x-api-key": str,
    "clientSecret": str,
    "authorization": lambda secret: [f"Bearer {secret}"],
    "headers": lambda secret: {"Cookie": f"sid={secret}", "accept": "*/*"},
    "request_headers": lambda secret: [{"name": "Set-Cookie", "value": f"s={secret}; Path=/"}],
    "attributes": lambda secret: [{"key": "http.request.header.authorization", "value": {"stringValue": secret}}],
    "env": lambda secret: {"DATABASE_PASSWORD": secret},
    "url": lambda secret: f"https://api.example/v1?x-vercel-protection-bypass={secret}&a=1",
    "dsn": lambda secret: f"postgresql://app:{secret}@db.example:5432/app",
    "inner": lambda secret: json.dumps({"refresh_token": secret, "kind": "x"}),
}


def _pieces(written: str) -> tuple[str, ...]:
    """What a leak of this spelling would show: its longest runs of letters and digits; where it has none, all of it."""
    runs = [run for run in re.findall(r"[A-Za-z0-9]+", written) if len(run) >= _PIECE]
    if runs:
        return tuple(
            run[at : at + 18] for run in runs for at in range(0, len(run), 18) if len(run[at : at + 18]) >= _PIECE
        )
    half = written[: len(written) // 2]
    return tuple({half, json.dumps(half)[1:-1], html.escape(half)})


def names_of_those_in(data: bytes, planted: list[Canary]) -> list[str]:
    """The names of the canaries of which a piece stands in these bytes."""
    pieces = {piece.encode() for canary in planted for piece in canary.pieces}
    if not linear(b"|".join(sorted(map(literal, pieces)))).search(data):
        return []
    return [canary.name for canary in planted if any(piece.encode() in data for piece in canary.pieces)]
