"""Keeps secrets out of every byte that is kept or shown: by known value, by pattern, and e-mail addresses by pseudonym.

Redaction works on text. A JSON value is redacted as the text it is written in, in one pass over the whole of it, because
one pass over a hundred thousand spans costs a hundred times less than a visit to each of their strings.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from runbook_lib.core.keys import KEY_KINDS

MASK = "<redacted>"
_SHORTEST_SECRET = 8  # shorter values would mask ordinary words; a key this short is no key

_ANCHORED: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (anchor, re.compile(pattern), replacement)
    for anchor, pattern, replacement in (
        # (text that must be present for the pattern to be worth running, pattern, replacement)
        *((anchor, pattern, MASK) for kind in KEY_KINDS for anchor, pattern in kind.masks),
        ("vc", r"\bvc[prcaik]_[A-Za-z0-9]{16,}", MASK),
        ("AKIA", r"\bAKIA[A-Z0-9]{16}\b", MASK),
        ("ASIA", r"\bASIA[A-Z0-9]{16}\b", MASK),
        ("xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", MASK),
        ("AIza", r"\bAIza[A-Za-z0-9_-]{35,}", MASK),
        ("hf_", r"\bhf_[A-Za-z0-9]{20,}", MASK),
        ("npm_", r"\bnpm_[A-Za-z0-9]{30,}", MASK),
        ("glpat-", r"\bglpat-[A-Za-z0-9_.-]{20,}", MASK),
        ("gl", r"\bgl(?:sa|c)_[A-Za-z0-9_+/=-]{20,}", MASK),
        ("eyJ", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)?", MASK),
        (
            "hooks.slack.com",
            r"hooks\.slack\.com/services/[A-Za-z0-9/_-]+",
            f"hooks.slack.com/services/{MASK}",
        ),
        ("PRIVATE KEY", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"]*?-----END [A-Z ]*PRIVATE KEY-----", MASK),
        ("@", r"(?<=://)[^\s/?#@\"'<>\\]*:[^\s@\"'<>\\]+(?=@)", MASK),
        ("assword", r"(?i)(\bpassword\s*=\s*)(?:'[^'\"]*'|[^\s'\"&\\]+)", rf"\1{MASK}"),
        ("PASSWORD", r"(\b[A-Z_]*PASSWORD=)[^\s'\"&\\]+", rf"\1{MASK}"),
        ("_SECRET=", r"(\b[A-Z][A-Z0-9_]*_SECRET=)(?!<)[^\s'\"&\\]+", rf"\1{MASK}"),
        ("_TOKEN=", r"(\b[A-Z][A-Z0-9_]*_TOKEN=)(?!<)[^\s'\"&\\]+", rf"\1{MASK}"),
        ("_KEY=", r"(\b[A-Z][A-Z0-9_]*_KEY=)(?!<)[^\s'\"&\\]+", rf"\1{MASK}"),
        ("_token=", r"(?i)(\b(?:access|refresh|id|auth)_token=)(?=[^\s'\"&\\,)]*\d)[^\s'\"&\\,)<]{8,}", rf"\1{MASK}"),
        ("_secret=", r"(?i)(\bclient_secret=)(?=[^\s'\"&\\,)]*\d)[^\s'\"&\\,)<]{8,}", rf"\1{MASK}"),
        ("apikey=", r"(?i)(\bapikey=)(?=[^\s'\"&\\,)]*\d)[^\s'\"&\\,)<]{8,}", rf"\1{MASK}"),
        ("api_key=", r"(?i)(\bapi_key=)(?=[^\s'\"&\\,)]*\d)[^\s'\"&\\,)<]{8,}", rf"\1{MASK}"),
        ("earer ", r"(?i)\b(bearer )(?!<)[A-Za-z0-9._~+/=-]{8,}", rf"\1{MASK}"),
        ("asic ", r"\b(Basic )(?!<)[A-Za-z0-9+/=]{12,}", rf"\1{MASK}"),
    )
)
_EMAIL = re.compile(r"(?<![\w.+%-])[A-Za-z0-9][\w.+%-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b", re.ASCII)


class Redactor:
    """Masks secrets and e-mail addresses in text and JSON.

    Args:
        secrets: values known to be secret, in any order; those shorter than 8 characters are ignored.
        salt: gives one address one pseudonym within an incident, and another one elsewhere.
    """

    def __init__(self, secrets: Iterable[str] = (), *, salt: str = "") -> None:
        self._salt = salt
        self._needles: list[str] = []
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Add values known to be secret, in every spelling in which they could be written."""
        spellings = set(self._needles)
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                spellings.update(_spellings(secret))
        self._needles = sorted(spellings, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without secrets and e-mail addresses. Applying it twice changes nothing more."""
        text = self.secrets_only(text)
        return _EMAIL.sub(self._pseudonym, text) if "@" in text else text

    def secrets_only(self, text: str) -> str:
        """The text without secrets; e-mail addresses stay, for a parameter may be one."""
        for needle in self._needles:
            if needle in text:
                text = text.replace(needle, MASK)
        for anchor, pattern, replacement in _ANCHORED:
            if anchor in text:
                text = pattern.sub(replacement, text)
        return text

    def data(self, encoded: bytes) -> bytes:
        """Encoded JSON without secrets; still JSON, for no mask holds a quote or a backslash."""
        text = encoded.decode("utf-8", "surrogatepass")
        clean = self.text(text)
        return encoded if clean is text else clean.encode("utf-8", "surrogatepass")

    def finds(self, text: str) -> bool:
        """Whether anything in the text would be masked."""
        return self.text(text) != text

    def _pseudonym(self, match: re.Match[str]) -> str:
        digest = hashlib.sha256(f"{self._salt}\0{match[0].lower()}".encode()).hexdigest()
        return f"<email:{digest[:8]}>"


def _spellings(secret: str) -> set[str]:
    """A secret as it is, in JSON, in a URL, in base64, and as the user part of Basic authorization."""
    raw = secret.encode()
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        base64.b64encode(raw + b":").decode(),
    }
