"""A small healthy world for the checklist's rules, in which one thing is changed at a time."""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from support.evidence import START, TraceBuilder, look
from support.evidence import row as request_row
from support.verdicts import codes

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.procedures.operations_checklist.reading import Evidence
from runbook_lib.procedures.operations_checklist.rules import diagnose

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REF = "abcdefghijklmnopqrst"
OLD = to_iso(NOW - timedelta(days=30))
DEPLOYED = to_iso(NOW - timedelta(days=2))
RECENT = to_iso(NOW - timedelta(minutes=10))

_KINDS: dict[str, dict[str, Any]] = {
    "NEXT_PUBLIC_SUPABASE_URL": {"kind": "url", "ref": REF},
    "NEXT_PUBLIC_SUPABASE_ANON_KEY": {"kind": "supabase_jwt", "role": "anon", "ref": REF},
    "SUPABASE_SERVICE_ROLE_KEY": {"kind": "supabase_jwt", "role": "service_role", "ref": REF},
    "STRIPE_SECRET_KEY": {"kind": "stripe_secret", "mode": "live"},
    "STRIPE_WEBHOOK_SECRET": {"kind": "stripe_webhook_secret"},
    "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY": {"kind": "stripe_publishable", "mode": "live"},
    "OPENAI_API_KEY": {"kind": "openai"},
    "ANTHROPIC_API_KEY": {"kind": "anthropic"},
    "TOGETHER_API_KEY": {"kind": "together"},
    "OTEL_EXPORTER_OTLP_ENDPOINT": {"kind": "url"},
    "OTEL_SERVICE_NAME": {"kind": "opaque"},
}
_PARTS = {
    "web": ("NEXT_PUBLIC_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY"),
    "api": (
        "NEXT_PUBLIC_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
    ),
    "gateway": ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TOGETHER_API_KEY"),
}  # fmt: skip
_EVERYWHERE = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME")


def facts(name: str, **changes: Any) -> dict[str, Any]:
    """What a right value of this name says about itself."""
    usual: dict[str, Any] = {
        "kind": "opaque", "mode": None, "role": None, "ref": None, "expires_at": None, "issued_at": None, "is_local": None,
        "verifies": None, "providers": None, "print": f"print-{name.removeprefix('NEXT_PUBLIC_')}", "flaws": [],
    }  # fmt: skip
    return {**usual, **_KINDS.get(name, {}), **changes}


def row(part: str, platform: str, name: str, **changes: Any) -> dict[str, Any]:
    """A variable as a platform lists it."""
    usual: dict[str, Any] = {
        "name": name, "id": f"id-{name}", "part": part, "platform": platform,
        "environments": ["production", "preview"] if platform == "vercel" else ["production"],
        "branch": None, "type": "encrypted", "shared": False, "updated_at": OLD, "created_at": OLD,
        "facts": facts(name), "hidden": "",
    }  # fmt: skip
    return {**usual, **changes}


@dataclass
class World:
    """Rows, probes and spans of a healthy system on Vercel and Railway; change them, then ask for the evidence."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    local: list[dict[str, Any]] = field(default_factory=list)
    probes: dict[str, list[dict[str, Any] | Status]] = field(default_factory=dict)
    spans: dict[str, Any] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=lambda: {"web": 5, "api": 5, "gateway": 5})
    statuses: dict[str, Status] = field(default_factory=dict)
    keys: list[Observation] = field(default_factory=list)
    pages: list[Observation] = field(default_factory=list)
    serving: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(_PARTS, DEPLOYED))
    elsewhere: list[Observation] = field(default_factory=list)
    example: list[Observation] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    taken: tuple[Observation, ...] = field(default_factory=lambda: _TAKEN)
    not_used: list[str] = field(default_factory=lambda: ["fly"])
    slow_ms: float = 2000.0

    def __post_init__(self) -> None:
        for part, names in _PARTS.items():
            self.rows[part] = [row(part, PLATFORM[part], name) for name in (*names, *_EVERYWHERE)]
            self.probes[part] = [probe(part) for _ in range(3)]
        builder = TraceBuilder("several")
        builder.provider(builder.chat(200), 40, 700)
        self.spans = builder.table()

    def find(self, part: str, name: str) -> dict[str, Any]:
        """The row of a variable, to be changed."""
        return next(each for each in self.rows[part] if each["name"] == name)

    def say(self, part: str, name: str, **changes: Any) -> "World":
        """A variable's value says this about itself."""
        self.find(part, name)["facts"] = facts(name, **changes)
        return self

    def drop(self, part: str, name: str) -> "World":
        """A variable is not there."""
        self.rows[part].remove(self.find(part, name))
        return self

    def add(self, part: str, name: str, **changes: Any) -> "World":
        """Another variable is there."""
        self.rows[part].append(row(part, PLATFORM[part], name, facts=facts(name, **changes)))
        return self

    def evidence(self) -> Evidence:
        """Everything as the steps would see it."""
        window = Window(NOW - timedelta(minutes=30), NOW)
        told = {
            "rows": self.local, "parts": {part: {"is_local": False, "is_given": True, "hosts": []} for part in _PARTS},
            "service_name": "nexuscore", "project_ref": REF, "trace_delay_s": 30.0, **self.told,
        }  # fmt: skip
        lists = [self._look(PLATFORM[part], "variables", deepcopy(rows), part=part) for part, rows in self.rows.items()]
        serving = [self._look(PLATFORM[part], *_served(part, at), part=part) for part, at in self.serving.items()]
        probes = [self._probe(part, each) for part, answers in self.probes.items() for each in answers]
        asked = {"since": to_iso(window.since), "until": to_iso(window.until)}
        traces = [
            self._look("tempo", "health", {"version": None, "may_search": True}),
            self._look("tempo", "window_traces", self.spans or None, **asked),
        ]
        traffic = [
            self._look(
                "vercel" if part != "gateway" else "railway",
                "request_log" if part != "gateway" else "http_log",
                [request_row(part, 200, at=RECENT) for _ in range(count)] or None,
                part=part,
                **asked,
            )
            for part, count in self.requests.items()
        ]
        others = {(each.arguments.get("name"), each.arguments.get("place")) for each in self.keys}
        keys = [each for each in self.taken if (each.arguments["name"], each.arguments["place"]) not in others]
        return Evidence(
            NOW,
            window,
            not_used=look("team", "not_used", self.not_used),
            local=self._look("environment", "variables", told),
            lists=tuple(lists),
            serving=(*serving, *self._elsewhere()),
            example=next(iter(self.example), None),
            keys=(*keys, *(each for each in self.keys if each.call == "key")),
            tokens=tuple(each for each in self.keys if each.call != "key"),
            probes=tuple(probes),
            openapi=self._look("parts", "gateway_openapi", {"status_code": 200, "title": "NexusCore LLM Gateway"}),
            pages=tuple(self.pages),
            traces=tuple(traces),
            traffic=tuple(traffic),
            slow_ms=self.slow_ms,
        )

    def _elsewhere(self) -> list[Observation]:
        """What is live on each platform that is in use."""
        told = {(each.source, each.call) for each in self.elsewhere}
        usual = [
            self._look(source, call, [{"id": "p", "name": "metabase", "serving": None}])
            for source, call in (("vercel", "projects"), ("railway", "services"))
            if (source, call) not in told
        ]
        return [*usual, *self.elsewhere]

    def _look(self, source: str, call: str, value: Any, **arguments: Any) -> Observation:
        part = arguments.get("part", "")
        status = next(
            (
                self.statuses[name]
                for name in (f"{source}.{call}.{part}", f"{source}.{call}", source)
                if name in self.statuses
            ),
            Status.ok if value else Status.empty,
        )
        return look(source, call, value if status.has_content else None, status, **arguments)

    def _probe(self, part: str, answer: dict[str, Any] | Status) -> Observation:
        if isinstance(answer, Status):
            return look("parts", "probe", None, answer, part=part, path="/")
        return look("parts", "probe", answer, part=part, path="/")


PLATFORM = {"web": "vercel", "api": "vercel", "gateway": "railway"}
_PAGES: dict[str, dict[str, Any]] = {
    "web": {"content_type": "text/html", "json": None, "text": "<html><title>NexusCore</title></html>"},
    "api": {"content_type": "application/json", "json": {"status": "ok"}, "text": '{"status":"ok"}'},
    "gateway": {"content_type": "application/json", "json": {"message": "hello"}, "text": '{"message":"hello"}'},
}


def probe(part: str, status_code: int = 200, ms: float = 40.0, **changes: Any) -> dict[str, Any]:
    """What a part's own page answers."""
    date = format_datetime(START, usegmt=True)
    return {"status_code": status_code, "ms": ms, "server": "x", "date": date, **_PAGES[part], **changes}


def judgement(source: str, name: str, place: str, **changes: Any) -> Observation:
    """What a vendor said of a key."""
    said = {
        "name": name, "accepted": True, "refusal": None, "http_status": 200, "code": "", "permission": "GET /models",
        "lacks": "", "expires_at": None, "mode": None, **changes,
    }  # fmt: skip
    return look(source, "key", said, name=name, place=place)


# The keys that the parts of a healthy system hold, each shown once.
_TAKEN = (
    judgement("supabase", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "web · vercel production"),
    judgement("supabase", "SUPABASE_SERVICE_ROLE_KEY", "api · vercel production"),
    judgement("stripe", "STRIPE_SECRET_KEY", "api · vercel production"),
    judgement("openai", "OPENAI_API_KEY", "gateway · production"),
)


def page(vendor: str, incident: str = "") -> Observation:
    """A vendor's status page."""
    open_ones = [{"name": incident, "resolved_at": None}] if incident else []
    said = {
        "vendor": vendor,
        "all_good": not incident,
        "indicator": "major" if incident else "none",
        "description": None,
    }
    return look("status", "incidents", {**said, "incidents": open_ones}, vendor=vendor)


def _served(part: str, at: str | None) -> tuple[str, Any]:
    one = {"id": "dpl_1", "at": at, "state": "READY", "part": part, "platform": PLATFORM[part]}
    if PLATFORM[part] == "vercel":
        return "serving", one if at else None
    return "deployments", [{**one, "state": "SUCCESS"}] if at else None


def said(world: World) -> tuple[str, list[str]]:
    """The verdict's status, and what it names."""
    conclusion = diagnose(world.evidence())
    return str(conclusion.status), codes(conclusion)


def locally(world: World, name: str, place: str, **changes: Any) -> None:
    """A variable in a file or in the process environment of this machine."""
    world.local.append({"name": name, "place": place, "facts": facts(name, **changes)})
