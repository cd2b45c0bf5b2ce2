"""What a vendor says of a key. The key itself stays inside the look."""

from typing_extensions import TypedDict


class KeyJudgement(TypedDict):
    """Whether a vendor takes a key.

    `refusal`: rejected, expired or scope; None where it is accepted. `code`: the vendor's word for a refusal, empty without one.
    `permission`: what was asked for, and what that needs. `lacks`: what the key lacks, or what its acceptance does not prove.
    `expires_at`: None where it does not expire, or nobody tells. `mode`: live or test, of a vendor that has both.
    """

    name: str
    permission: str
    accepted: bool
    refusal: str | None
    http_status: int
    code: str
    lacks: str
    expires_at: str | None
    mode: str | None


class KeyReach(TypedDict):
    """What a vendor tells of a key's rights.

    `name`: the variable. `can_write`: None where the vendor does not tell. `opens`: what the key reaches, in words; empty where the
    vendor does not tell. `expires_at`: None where it does not expire, or nobody tells.
    """

    name: str
    can_write: bool | None
    opens: str
    expires_at: str | None
