"""What the keys of NexusCore's vendors look like, and which variable holds which: a new key is one row here.

Redaction reads what a key looks like inside a text, the looks at variables what a value is, and 00 what a name may hold.
Shapes: the vendors' own prefixes (Stripe, OpenAI, Anthropic, Supabase, Together, Fly.io, GitHub; read November 2026).
"""

import re
from collections.abc import Mapping
from typing import NamedTuple


class KeyKind(NamedTuple):
    """One shape of a value.

    Attributes:
        name: as observations call it: `stripe_secret`.
        beginning: how such a value begins, as a pattern.
        fewest: the fewest characters that the vendor has ever given one.
        masks: how redaction finds it inside a text: (what must be present for the pattern to be worth running, pattern).
            Empty where anybody may read it, and where another row or a pattern of redaction's own covers it.
        is_secret: nobody outside may know such a value.
        role: Supabase's `anon` or `service_role`, where the kind tells it.
    """

    name: str
    beginning: str
    fewest: int
    masks: tuple[tuple[str, str], ...] = ()
    is_secret: bool = True
    role: str | None = None

    @property
    def tells_mode(self) -> bool:
        """Whether such a value says whether it is a live or a test one."""
        return "live|test" in self.beginning


def _stripes(prefix: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{prefix}_{mode}_", rf"\b{prefix}_{mode}_[A-Za-z0-9]{{8,}}") for mode in ("live", "test"))


_FLY = (
    ("FlyV1", r"\bFlyV1 [A-Za-z0-9+/=_,.-]{8,}"),
    ("fm", r"\bfm[12][a-z]?_[A-Za-z0-9+/=_-]{8,}"),
    ("fo1_", r"\bfo1_[A-Za-z0-9_-]{8,}"),
)
_GITHUB = (("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{20,}"), ("gh", r"\bgh[pousr]_[A-Za-z0-9]{20,}"))

# The first that fits is it: Anthropic's keys begin as OpenAI's do, and OpenAI's mask covers them.
KEY_KINDS = (
    KeyKind("stripe_secret", "sk_(?:live|test)_", 24, _stripes("sk")),
    KeyKind("stripe_restricted", "rk_(?:live|test)_", 24, _stripes("rk")),
    KeyKind("stripe_publishable", "pk_(?:live|test)_", 24, is_secret=False),
    KeyKind("stripe_organization", "sk_org_", 24, (("sk_org_", r"\bsk_org_[A-Za-z0-9_]{8,}"),)),
    KeyKind("stripe_webhook_secret", "whsec_", 24, (("whsec_", r"\bwhsec_[A-Za-z0-9+/=_-]{8,}"),)),
    KeyKind("anthropic", "sk-ant-", 40),
    KeyKind("openai", "sk-", 40, (("sk-", r"\bsk-[A-Za-z0-9_-]{16,}"),)),
    KeyKind("supabase_publishable", "sb_publishable_", 24, is_secret=False, role="anon"),
    KeyKind(
        "supabase_secret", "sb_secret_", 24, (("sb_secret_", r"\bsb_secret_[A-Za-z0-9_-]{8,}"),), role="service_role"
    ),
    KeyKind("supabase_access_token", "sbp_", 24, (("sbp_", r"\bsbp_[A-Za-z0-9_]{16,}"),)),
    KeyKind("together", "tgp_v1_", 24, (("tgp_v1_", r"\btgp_v1_[A-Za-z0-9_-]{8,}"),)),
    KeyKind("fly", "(?:FlyV1 |fm[12][a-z]?_|fo1_)", 24, _FLY),
    KeyKind("github", "gh[pousr]_", 30, _GITHUB),
    KeyKind("url", "https?://", 0, is_secret=False),
    KeyKind("database_url", "postgres(?:ql)?://", 16),
)
_BY_NAME = {kind.name: kind for kind in KEY_KINDS}


def kind_of(value: str) -> KeyKind | None:
    """The kind of a value, by its beginning; None where it has no shape that is known."""
    return next((kind for kind in KEY_KINDS if re.match(kind.beginning, value)), None)


def is_secret_kind(name: str) -> bool:
    """Whether nobody outside may know a value of the kind of this name."""
    return name in _BY_NAME and _BY_NAME[name].is_secret


class Variable(NamedTuple):
    """What a variable may hold.

    Attributes:
        kinds: by name, `supabase_jwt` and `opaque` included, which no beginning tells. Empty: anything.
        role: the role that its key must have.
        vendor: who is asked whether it takes the key; empty where nobody is.
    """

    kinds: tuple[str, ...] = ()
    role: str | None = None
    vendor: str = ""

    @property
    def tells_mode(self) -> bool:
        """Whether its value says whether it is a live or a test one."""
        return any(kind in _BY_NAME and _BY_NAME[kind].tells_mode for kind in self.kinds)


_URL = Variable(("url",))
_ANON = Variable(("supabase_jwt", "supabase_publishable"), "anon", "supabase")

# NexusCore's own, whose names are its own, and the runbook's: the variables whose values are judged by their shape. In the order
# in which keys are shown to their vendors.
VARIABLES: Mapping[str, Variable] = {
    "NEXT_PUBLIC_SUPABASE_URL": _URL,
    "SUPABASE_URL": _URL,
    "NEXT_PUBLIC_SUPABASE_ANON_KEY": _ANON,
    "SUPABASE_ANON_KEY": _ANON,
    "SUPABASE_SERVICE_ROLE_KEY": Variable(("supabase_jwt", "supabase_secret"), "service_role", "supabase"),
    "STRIPE_SECRET_KEY": Variable(("stripe_secret", "stripe_restricted"), vendor="stripe"),
    "STRIPE_WEBHOOK_SECRET": Variable(("stripe_webhook_secret",)),
    "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY": Variable(("stripe_publishable",)),
    "RUNBOOK_STRIPE_KEY": Variable(("stripe_restricted", "stripe_secret"), vendor="stripe"),
    "OPENAI_API_KEY": Variable(("openai",), vendor="openai"),
    "ANTHROPIC_API_KEY": Variable(("anthropic",), vendor="anthropic"),
    "TOGETHER_API_KEY": Variable(("together", "opaque"), vendor="together"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": _URL,
    "OTEL_SERVICE_NAME": Variable(),
    "LLM_FALLBACK_CHAIN": Variable(),
    "RUNBOOK_SUPABASE_ACCESS_TOKEN": Variable(("supabase_access_token", "opaque")),
    "RUNBOOK_DATABASE_URL": Variable(("database_url",)),
    "RUNBOOK_VERCEL_TOKEN": Variable(),
    "RUNBOOK_RAILWAY_PROJECT_TOKEN": Variable(),
    "RUNBOOK_RAILWAY_TOKEN": Variable(),
    "RUNBOOK_FLY_TOKEN": Variable(("fly", "opaque")),
    "RUNBOOK_TEMPO_TOKEN": Variable(),
    "RUNBOOK_JAEGER_TOKEN": Variable(),
}


def is_nexuscores(name: str) -> bool:
    """Whether a variable is one of NexusCore's own, or ends up in a browser: its value is judged by its shape."""
    return (name in VARIABLES and not name.startswith("RUNBOOK_")) or name.startswith("NEXT_PUBLIC_")


def shown_to(vendor: str) -> tuple[str, ...]:
    """The variables whose key a vendor is asked about."""
    return tuple(name for name, variable in VARIABLES.items() if variable.vendor == vendor)
