"""What stands in the place of a person: the same within an incident, another one elsewhere, and nobody's without the machine's key.

A pseudonym is an HMAC-SHA256 over incident, kind and value, shortened: without the key it can neither be inverted nor, as a plain
hash of an address could, be found by trying addresses.
"""

import hmac
from collections.abc import Callable

PSEUDONYM = r"<(email|name):([0-9a-f]{10})>"
Remember = Callable[[dict[str, str]], None]


class Pseudonyms:
    """Gives pseudonyms within one incident.

    Args:
        key: stays on the machine; empty in a replay, whose people have pseudonyms already.
        incident: within it a person keeps one pseudonym.
        remember: called with the values that were new, by pseudonym, so that they can be looked up again on this machine.
    """

    def __init__(self, key: bytes = b"", incident: str = "", remember: Remember = lambda _: None) -> None:
        self._key, self._incident, self._remember = key, incident, remember
        self._known: dict[tuple[str, bytes], bytes] = {}

    def of(self, kind: str, value: bytes) -> bytes:
        """The pseudonym of a value: `<email:0123456789>`. One address is one person, in capitals or not."""
        same = value.strip().lower()
        known = self._known.get((kind, same))
        if known is None:
            message = b"\0".join((self._incident.encode(), kind.encode(), same))
            known = f"<{kind}:{hmac.new(self._key, message, 'sha256').hexdigest()[:10]}>".encode()
            self._known[kind, same] = known
            self._remember({known.decode(): value.decode("utf-8", "replace")})
        return known
