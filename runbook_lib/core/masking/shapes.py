"""What is secret by its shape, whatever it is called: vendors' keys, JWTs, private keys, a URL's password, a scheme's credential.

Each pattern is searched for by itself. In one pattern of alternatives a long one that fails at the end of the text would be tried
again after each short one that fits, and that is quadratic, RE2 or not.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from runbook_lib.core.keys import KEY_KINDS
from runbook_lib.core.masking.linear import linear
from runbook_lib.core.masking.names import WORD_BEGINS

MASK = b"<redacted>"


class _Shape(NamedTuple):
    """`anchor` must be there for the pattern to be worth running; what its group 1 and 2 match stays around the mask."""

    anchor: bytes
    pattern: Any
    keep: Callable[[bytes], bool] | None = None


def _is_word(value: bytes) -> bool:
    """Whether what follows a scheme's name is a word of a sentence."""
    return value.lower() in (
        b"authentication",
        b"authorization",
        b"credential",
        b"credentials",
        b"challenge",
        b"required",
    )


def _has_no_digit(value: bytes) -> bool:
    return not any(48 <= byte <= 57 for byte in value)


def _alone(pattern: str) -> Any:
    """A key that stands by itself, at the beginning of a word."""
    return linear(b"(" + WORD_BEGINS + rb")(?:" + pattern.removeprefix(r"\b").encode() + rb")()")


_VENDORS = tuple(_Shape(anchor.encode(), _alone(pattern)) for kind in KEY_KINDS for anchor, pattern in kind.masks)
_OTHERS = tuple(
    _Shape(anchor.encode(), _alone(pattern))
    for anchor, pattern in (
        ("vc", r"vc[prcaik]_[A-Za-z0-9]{16,}"),
        ("AKIA", r"AKIA[A-Z0-9]{16}\b"),
        ("ASIA", r"ASIA[A-Z0-9]{16}\b"),
        ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("AIza", r"AIza[A-Za-z0-9_-]{35,}"),
        ("hf_", r"hf_[A-Za-z0-9]{20,}"),
        ("npm_", r"npm_[A-Za-z0-9]{30,}"),
        ("pypi-", r"pypi-[A-Za-z0-9_-]{30,}"),
        ("SG.", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
        ("re_", r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{16,}"),
        ("dop_v1_", r"dop_v1_[a-f0-9]{32,}"),
        ("glpat-", r"glpat-[A-Za-z0-9_.-]{20,}"),
        ("gl", r"gl(?:sa|c)_[A-Za-z0-9_+/=-]{20,}"),
        ("eyJ", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)?"),
    )
)
_WITHIN = (
    _Shape(b"hooks.slack.com", linear(rb"(hooks\.slack\.com\\*/services\\*/)[A-Za-z0-9/\\_-]+()")),
    _Shape(b"api/webhooks", linear(rb"(api\\*/webhooks\\*/[0-9]+\\*/)[A-Za-z0-9_-]{16,}()")),
    _Shape(b"@", linear(rb"(:\\*/\\*/[^\s/?#@\"'<>\\]*:)[^\s@\"'<>\\]+(@)")),
    # a user without a password that is no name is a key (Sentry's DSN, https://<token>@github.com)
    _Shape(b"@", linear(rb"(:\\*/\\*/)[A-Za-z0-9_-]{20,}(@)"), _has_no_digit),
    # what commands take without a name: curl -u user:…, redis-cli -a …, sshpass -p …, mysql -p…
    _Shape(
        b"curl",
        linear(rb"((?:\b|\\[nrt])curl\b[^\n|;]{0,300}[ \t](?:-u|--user)[ =]?\\*[\"']?[^\s:\"'\\]{1,64}:)[^\s\"'\\]+()"),
    ),
    _Shape(b"redis-cli", linear(rb"((?:\b|\\[nrt])redis-cli\b[^\n|;]{0,300}[ \t]-a[ \t]+\\*[\"']?)[^\s\"'\\]+()")),
    _Shape(b"sshpass", linear(rb"((?:\b|\\[nrt])sshpass\b[ \t]+-p[ \t]*\\*[\"']?)[^\s\"'\\]+()")),
    _Shape(b"mysql", linear(rb"((?:\b|\\[nrt])mysql[a-z]*\b[^\n|;]{0,300}[ \t]-p)[^\s\"'\\]+()")),
    _Shape(b"earer ", linear(rb"((?:\b|\\[nrt])(?i:bearer) +)[A-Za-z0-9._~+/=-]{8,}()"), _is_word),
    _Shape(b"EARER ", linear(rb"((?:\b|\\[nrt])(?i:bearer) +)[A-Za-z0-9._~+/=-]{8,}()"), _is_word),
    _Shape(b"asic ", linear(rb"((?:\b|\\[nrt])(?i:basic) +)[A-Za-z0-9+/=]{12,}()"), _is_word),
)
SHAPES = (*_VENDORS, *_OTHERS, *_WITHIN)
_ANY = linear(
    b"|".join(dict.fromkeys(b"(?:" + shape.pattern.pattern + b")" for shape in SHAPES))
)  # whether one of them is there

_BEGIN = linear(rb"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----")
# where it ends: with its own line, or, cut off, before what cannot stand in a key's armour
_END = linear(rb"(-----END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----)|[^A-Za-z0-9+/=\s\\:,.-]")


def mask_shapes(data: bytes) -> bytes:
    """The bytes without what is secret by its shape."""
    if _ANY.search(data):
        for anchor, pattern, keep in SHAPES:
            if anchor in data:
                data = _without(data, pattern, keep)
    return _without_private_keys(data) if b"PRIVATE KEY" in data else data


def _without(data: bytes, pattern: Any, keep: Callable[[bytes], bool] | None) -> bytes:
    pieces, at = [], 0
    for match in pattern.finditer(data):
        begin, end = match.end(1), match.start(2)
        if keep is not None and keep(data[begin:end]):
            continue
        pieces += [data[at:begin], MASK]
        at = end
    return b"".join((*pieces, data[at:])) if pieces else data


def _without_private_keys(data: bytes) -> bytes:
    """Without the armoured private keys; one whose end is not there ends where its armour does."""
    pieces, at = [], 0
    while begin := _BEGIN.search(data, at):
        end = _END.search(data, begin.end())
        pieces += [data[at : begin.start()], MASK]
        at = len(data) if end is None else end.end() if end.group(1) else end.start()
    return b"".join((*pieces, data[at:])) if pieces else data
