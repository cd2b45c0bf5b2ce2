"""What a request's headers ask of PostgREST: preferences, a JSON answer, the schema.

Source: PostgREST docs/references/api/preferences and resource_representation (read November 2026).
"""

from dataclasses import dataclass, field

from runbook_lib.sandbox.facades.postgrest.errors import RestError, unsupported
from runbook_lib.sandbox.facades.supabase.state import RestSettings

_VALUES = {"return": ("representation", "minimal"), "count": ("exact",)}
_NOT_HERE = ("return", "count", "resolution", "missing", "handling", "tx", "timezone", "max-affected")
_JSON = ("*/*", "application/*", "application/json")
_OTHER_KINDS = ("text/csv", "application/vnd.pgrst.", "application/geo+json")


@dataclass
class Preferences:
    """The `Prefer` headers, understood."""

    said: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """What was said of this preference, or None."""
        return self.said.get(name)

    def applied_header(self, *names: str) -> dict[str, str]:
        """The `Preference-Applied` header for those of these that were said; empty when none was."""
        told = ", ".join(f"{name}={self.said[name]}" for name in names if name in self.said)
        return {"Preference-Applied": told} if told else {}


def preferences(values: list[str]) -> Preferences:
    """Read the `Prefer` headers; the first of several values of one preference counts, what nobody knows is passed over.

    Raises:
        RestError: 501 for a preference that only the real PostgREST keeps.
    """
    found = Preferences()
    for part in (p.strip() for value in values for p in value.split(",")):
        name, _, value = part.partition("=")
        if value in _VALUES.get(name, ()):
            found.said.setdefault(name, value)
        elif name in _NOT_HERE:
            raise unsupported(f"Prefer: {part}")
    return found


def check_answer_kind(accept: str | None) -> None:
    """Refuse an `Accept` that rules JSON out.

    Raises:
        RestError: PGRST107 when nothing that is asked for can be given, 501 for a kind that only the real PostgREST gives.
    """
    asked = [part.split(";")[0].strip() for part in (accept or "*/*").split(",")]
    if other := next((media for media in asked if media.lower().startswith(_OTHER_KINDS)), None):
        raise unsupported(f"Accept: {other}")
    if not any(media.lower() in _JSON for media in asked):
        raise RestError(406, "PGRST107", f"None of these media types are available: {', '.join(asked)}")


def profile(method: str, headers: dict[str, str], settings: RestSettings) -> tuple[str, bool]:
    """The schema that the request means, and whether the answer names it (when more than one is exposed).

    Raises:
        RestError: PGRST106 when it is not exposed.
    """
    name = "accept-profile" if method in ("GET", "HEAD") else "content-profile"
    asked = headers.get(name)
    several = len(settings.schemas) > 1
    if asked is None:
        return settings.schemas[0], several
    if asked not in settings.schemas:
        listed = ", ".join(settings.schemas)
        raise RestError(
            406, "PGRST106", f"Invalid schema: {asked}", hint=f"Only the following schemas are exposed: {listed}"
        )
    return asked, several


def content_range(lower: int, upper: int, total: int | None) -> str:
    """The Content-Range header: `0-9/100`, `*/0`, `0-9/*`."""
    rows = f"{lower}-{upper}" if total != 0 and lower <= upper else "*"
    return f"{rows}/{'*' if total is None else total}"


def range_status(lower: int, upper: int, total: int | None) -> int:
    """200 for all there is, 206 for a part, 416 for nothing there."""
    if total is None:
        return 200
    if lower > total:
        return 416
    return 206 if 1 + upper - lower < total else 200
