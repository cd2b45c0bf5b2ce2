"""What a request's headers ask of PostgREST: preferences, the kind of answer, the schema, the range.

Source: PostgREST docs/references/api/preferences and resource_representation (read November 2026).
"""

import re
from dataclasses import dataclass, field

from runbook_lib.sandbox.facades.postgrest.errors import RestError
from runbook_lib.sandbox.facades.supabase.state import RestSettings

OBJECT = "application/vnd.pgrst.object"
ARRAY = "application/vnd.pgrst.array"
PLAN = "application/vnd.pgrst.plan"

_VALUES = {
    "return": ("representation", "headers-only", "minimal"),
    "count": ("exact", "planned", "estimated"),
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "missing": ("default", "null"),
    "handling": ("strict", "lenient"),
    "tx": ("commit", "rollback"),
}
_FREE = ("timezone", "max-affected")


@dataclass
class Preferences:
    """The `Prefer` headers, understood; `invalid` holds what was not."""

    said: dict[str, str] = field(default_factory=dict)
    invalid: list[str] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """What was said of this preference, or None."""
        return self.said.get(name)

    def applied(self, *names: str) -> dict[str, str]:
        """The `Preference-Applied` header for those of these that were said; empty when none was."""
        told = ", ".join(f"{name}={self.said[name]}" for name in names if name in self.said)
        return {"Preference-Applied": told} if told else {}


def preferences(values: list[str]) -> Preferences:
    """Read the `Prefer` headers; the first of several values of one preference counts.

    Raises:
        RestError: PGRST122 when something is not understood and handling=strict was said.
    """
    found = Preferences()
    for part in (p.strip() for value in values for p in value.split(",")):
        name, _, value = part.partition("=")
        if value in _VALUES.get(name, ()) or (name in _FREE and value):
            found.said.setdefault(name, value)
        elif part:
            found.invalid.append(part)
    if found.invalid and found.get("handling") == "strict":
        raise RestError(
            400,
            "PGRST122",
            "Invalid preferences given with handling=strict",
            f"Invalid preferences: {', '.join(found.invalid)}",
        )
    return found


@dataclass(frozen=True)
class Answer:
    """The kind of answer asked for. `kind`: json, object, csv or plan; `plan_options` are those of EXPLAIN."""

    kind: str
    strip_nulls: bool = False
    plan_text: bool = False
    plan_options: tuple[str, ...] = ()
    plan_for: str = "application/json"

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        if self.kind == "csv":
            return "text/csv; charset=utf-8"
        if self.kind == "plan":
            options = "|".join(self.plan_options)
            tail = f"; options={options}" if options else ""
            return f'{PLAN}+{"text" if self.plan_text else "json"}; for="{self.plan_for}"{tail}; charset=utf-8'
        stripped = ";nulls=stripped" if self.strip_nulls else ""
        if self.kind == "object":
            return f"{OBJECT}+json{stripped}; charset=utf-8"
        return f"{ARRAY}+json{stripped}; charset=utf-8" if self.strip_nulls else "application/json; charset=utf-8"


def answer_kind(accept: str | None, settings: RestSettings) -> Answer:
    """The first acceptable kind of answer.

    Raises:
        RestError: PGRST107 when nothing that is asked for can be given.
    """
    asked = [part.strip() for part in _split_outside_quotes(accept or "*/*")]
    asked.sort(key=lambda part: -_weight(part))
    for part in asked:
        found = _one_kind(part, settings)
        if found is not None:
            return found
    names = ", ".join(part.split(";")[0].strip() for part in asked)
    raise RestError(406, "PGRST107", f"None of these media types are available: {names}")


def _one_kind(part: str, settings: RestSettings) -> Answer | None:
    media, *rest = (p.strip() for p in part.split(";"))
    media = media.lower()
    options = dict(o.split("=", 1) for o in (r.replace(" ", "") for r in rest) if "=" in o)
    base, _, suffix = media.partition("+")
    if media in ("*/*", "application/*", "application/json", "application/openapi+json"):
        return Answer("json")
    if media == "text/csv":
        return Answer("csv")
    if base in (OBJECT, ARRAY) and suffix in ("json", ""):
        return Answer("object" if base == OBJECT else "json", strip_nulls=options.get("nulls") == "stripped")
    if base == PLAN and settings.plan_enabled and suffix in ("json", "text", ""):
        known = ("analyze", "verbose", "settings", "buffers", "wal")
        chosen = tuple(o for o in options.get("options", "").split("|") if o in known)
        return Answer("plan", False, suffix != "json", chosen, options.get("for", "application/json").strip('"'))
    return None


def _split_outside_quotes(text: str) -> list[str]:
    return re.findall(r'(?:[^,"]|"[^"]*")+', text)


def _weight(part: str) -> float:
    found = re.search(r";\s*q=([0-9.]+)", part)
    return float(found.group(1)) if found else 1.0


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


def header_range(method: str, value: str | None) -> tuple[int, int | None]:
    """Offset and limit of a `Range: 0-9` header; only GET and HEAD have one.

    Raises:
        RestError: PGRST103 when it ends before it begins.
    """
    found = re.fullmatch(r"(?:items=)?(\d+)-(\d*)", value.strip()) if value and method in ("GET", "HEAD") else None
    if found is None:
        return 0, None
    first, last = int(found.group(1)), found.group(2)
    if last and int(last) < first:
        raise RestError(
            416,
            "PGRST103",
            "Requested range not satisfiable",
            "The lower boundary must be lower than or equal to the upper boundary in the Range header.",
        )
    return first, int(last) - first + 1 if last else None


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
