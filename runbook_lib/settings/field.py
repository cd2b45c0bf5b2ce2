"""What a setting is declared with: its type, the variables it is read from, what it is for, its place in .env.example."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr


def _none_if_blank(value: object) -> object:
    """A variable that is set to nothing is not set."""
    return None if isinstance(value, str) and not value.strip() else value


def _url(value: object) -> object:
    """An http(s) address without a trailing slash."""
    if not isinstance(value, str) or not value.strip():
        return None
    address = value.strip().rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) address")
    return address


Text = Annotated[str | None, BeforeValidator(_none_if_blank)]
Secret = Annotated[SecretStr | None, BeforeValidator(_none_if_blank)]
Url = Annotated[str | None, BeforeValidator(_url)]


def setting(*names: str, default: Any = None, about: str, group: str) -> Any:
    """A setting, the environment variables it is read from (first that is set), what it is for, and its place in .env.example."""
    return Field(
        default=default,
        validation_alias=AliasChoices(*names),
        description=about,
        json_schema_extra={"group": group, "names": list(names)},
    )
