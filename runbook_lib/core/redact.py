"""Keeps secrets out of every byte that is kept or shown: by known value, by shape, by name; and e-mail addresses by pseudonym.

Masking works on text. A JSON value is masked as the text it is written in, in one pass over the whole of it, because
one pass over a hundred thousand spans costs a hundred times less than a visit to each of their strings.
"""

import re
from collections.abc import Iterable
from typing import Any, NewType

import orjson

from runbook_lib.core.masking.inserts import mask_inserts
from runbook_lib.core.masking.known import pattern_of, worth_looking_for
from runbook_lib.core.masking.linear import linear
from runbook_lib.core.masking.named import mask_named
from runbook_lib.core.masking.shapes import MASK as _MASK
from runbook_lib.core.masking.shapes import mask_shapes
from runbook_lib.core.model import Json
from runbook_lib.core.pseudonyms import Pseudonyms

MASK = _MASK.decode()
# Bytes that passed a Redactor. What is kept in a file is of this type, so that the type checker finds what did not.
Masked = NewType("Masked", bytes)
_EMAIL = linear(rb"(^|\\[nrt]|[^\w.+%-])([A-Za-z0-9][\w.+%-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})\b")
# Fields that hold a person's own name, and nobody else's: a service, a table and a rule have a `name` as well, which stays.
_PERSON = linear(
    rb"(?i)(\\*\"(?:(?:user|enduser|customer|person|contact|author|committer|sender|recipient|billing|cardholder|card_?holder)"
    rb"[._]?(?:full_?)?name|(?:full|first|last|middle|given|family|sur|real|legal)_?name|(?:git|github|gitlab)commitauthorname)"
    rb"\\*\"[ ]?:[ ]?\\*\")((?:[^\"\\]|\\[^\"nrt]){1,200})"
)
# A value that is also a word stands in ids, names of sources and remedies: masked in what others write, never in our own words.
_WORD_LIKE = re.compile(r"[A-Za-z]{1,16}")
_QUOTE = linear(rb"\\*\"")


class Redactor:
    """Masks secrets and e-mail addresses in text and JSON.

    Args:
        secrets: values known to be secret, in any order; those shorter than 8 characters are ignored.
        pseudonyms: of the incident; without them, a keyless one, for what is masked already (a replay) or belongs to none.
    """

    def __init__(self, secrets: Iterable[str] = (), *, pseudonyms: Pseudonyms | None = None) -> None:
        self._pseudonyms = pseudonyms or Pseudonyms()
        self._secrets: frozenset[str] = frozenset()
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Add values known to be secret; they are found in every spelling in which they could be written."""
        self._secrets |= worth_looking_for(secrets)
        self._words = frozenset(secret for secret in self._secrets if _WORD_LIKE.fullmatch(secret))

    def text(self, text: str) -> str:
        """A text that others wrote, without secrets and e-mail addresses. Applying it twice changes nothing more."""
        return _decoded(self._people(self._foreign(_encoded(text), is_json=False)))

    def secrets_only(self, text: str) -> str:
        """The text without secrets, for code and parameters: an e-mail address stays, and a word stays a word, known or not."""
        return _decoded(self._foreign(_encoded(text), is_json=False, words=False))

    def data(self, encoded: bytes, *, words: bool = True) -> Masked:
        """Encoded JSON that others wrote, without secrets and e-mail addresses: still JSON of the same structure.

        Args:
            words: mask known values that are words too; not in a notebook, whose own structure is words.
        """
        clean = self._people(self._foreign(encoded, is_json=True, words=words))
        return Masked(encoded if clean is encoded else self._whole(encoded, clean))

    def own(self, encoded: bytes) -> Masked:
        """Bytes of our own making, whose foreign parts were masked before: once more, and no word or name of ours is touched.

        Looked for are known values that cannot be a word, keys by their shape, and e-mail addresses.
        """
        return Masked(self._people(mask_shapes(self._known(encoded, self._secrets - self._words))))

    def script(self, encoded: bytes) -> Masked:
        """A text file, as `secrets_only` would leave it; bytes that are no UTF-8 are no text, and stay as they are."""
        try:
            text = encoded.decode()
        except UnicodeDecodeError:
            return Masked(encoded)
        return Masked(_encoded(self.secrets_only(text)))

    def finds(self, text: str) -> bool:
        """Whether anything in the text would be masked."""
        return self.text(text) != text

    def _foreign(self, data: bytes, *, is_json: bool, words: bool = True) -> bytes:
        data = self._known(data, self._secrets - self._words)
        if words and self._words:
            data = self._known(data, self._words, spare_keys=is_json)
        return mask_inserts(mask_named(mask_shapes(data), is_json=is_json), is_json=is_json)

    def _known(self, data: bytes, secrets: frozenset[str], *, spare_keys: bool = False) -> bytes:
        pattern = pattern_of(secrets)
        if pattern is None:
            return data
        pieces, at, string_ends, is_key = [], 0, -1, False
        for match in pattern.finditer(data):
            if spare_keys:
                if match.start() > string_ends:
                    string_ends, is_key = _string_end(data, match.end())
                if is_key:
                    continue
            pieces += [data[at : match.start()], _MASK]
            at = match.end()
        return b"".join((*pieces, data[at:])) if pieces else data

    def _people(self, data: bytes) -> bytes:
        """The bytes with pseudonyms for e-mail addresses, and for what stands under a field of a person's name."""
        if b"@" in data:
            data = self._without(data, _EMAIL, "email")
        return self._without(data, _PERSON, "name") if b"ame" in data else data

    def _without(self, data: bytes, pattern: Any, kind: str) -> bytes:
        pieces, at = [], 0
        for match in pattern.finditer(data):
            if match.group(2).startswith(b"<"):
                continue  # it is a pseudonym or a mask already
            pieces += [data[at : match.start(2)], self._pseudonyms.of(kind, match.group(2))]
            at = match.end(2)
        return b"".join((*pieces, data[at:])) if pieces else data

    def _whole(self, encoded: bytes, clean: bytes) -> bytes:
        """The masked JSON, if it is JSON; else it is masked text by text, which no escape at the edge of a mask can spoil."""
        try:
            orjson.loads(clean)
        except orjson.JSONDecodeError:
            try:
                value = orjson.loads(encoded)
            except orjson.JSONDecodeError:
                return clean  # it was no JSON before
            return orjson.dumps(self._walked(value), option=orjson.OPT_NON_STR_KEYS)
        return clean

    def _walked(self, value: Json) -> Json:
        """A value whose texts are masked one by one; what stands under a telling name is masked with its name."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._walked(each) for each in value]
        if isinstance(value, dict):
            return {self.text(str(key)): self._member(str(key), each) for key, each in value.items()}
        return value

    def _member(self, key: str, value: Any) -> Json:
        if not isinstance(value, str):
            return self._walked(value)
        alone = self.text(value)
        named = self.text(f"{key}={value}")
        return alone if named.endswith(alone) else MASK


def our_own(encoded: bytes) -> Masked:
    """Bytes that the runbook made of its own facts alone: hashes, names, times. What has the shape of a key is masked even so."""
    return Redactor().own(encoded)


def _decoded(clean: bytes) -> str:
    return clean.decode("utf-8", "surrogatepass")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _string_end(data: bytes, at: int) -> tuple[int, bool]:
    """Where the JSON string ends that this position is in, and whether it is a key."""
    for quote in _QUOTE.finditer(data, at):
        if (quote.end() - quote.start()) % 2:
            return quote.end(), data[quote.end() : quote.end() + 1] == b":"
    return len(data), False
