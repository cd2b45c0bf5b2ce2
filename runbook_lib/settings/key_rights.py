"""What each key may do with whom: whether it can write, what it opens, how long it lives, and the least that will do.

The runbook never writes, whatever its keys could. But a key that is stolen from its `.env` does what the key can: doctor says it.
Judged by the variable's name and by how the value begins; what only the vendor knows is left to its looks. A new key is one row
here; a test holds the rows against the settings.

Facts (read November and December 2026): Fly.io flyctl/tokens-create-readonly; Railway reference/api; Vercel accounts/access-tokens;
Supabase guides/api/api-keys; Stripe, on restricted keys; GitHub, "Authenticating to the REST API"; OpenAI and Anthropic, on keys.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class KeyRights(NamedTuple):
    """What a key may do.

    Attributes:
        variable: where it stands.
        of: which of its kinds, in words; empty where there is one only.
        can_write: True, False; None where the key alone does not tell.
        opens: what whoever holds it reaches.
        lives: until when, as far as its kind tells.
        least: the least that the runbook needs, and how to make it.
        begins: how a value of this kind begins, as a pattern.
    """

    variable: str
    of: str
    can_write: bool | None
    opens: str
    lives: str
    least: str
    begins: str = ""


_SIGNS_EVENTS = "signs events that the API then takes for Stripe's"
_FOREVER = "until it is revoked"
_PROXY = "what the proxy in front lets it: the token alone does not tell"
_STRIPE_LEAST = "a restricted key rk_… with read of what .env.example names"
_DATABASE_LEAST = "a role of its own: pg_monitor, and select on what is looked at; never an owner"
_PAYS = "asks models and pays for it, in its workspace"

# The first that fits is it: of one variable, the narrower kinds stand before the one that takes every value.
KEY_RIGHTS = (
    KeyRights(
        "RUNBOOK_VERCEL_TOKEN", "", None,
        "what its user may, in the whole account, one team or one project, as was chosen when it was made",
        "as long as was chosen for it; without a choice, " + _FOREVER,
        "a token for the team alone, with an expiry, of a member whose role is Viewer",
    ),
    KeyRights(
        "RUNBOOK_RAILWAY_PROJECT_TOKEN", "", True,
        "one environment of one project: it deploys, restarts, and reads and sets every variable's value",
        _FOREVER, "this is Railway's narrowest; there is none that only reads",
    ),
    KeyRights(
        "RUNBOOK_RAILWAY_TOKEN", "", True,
        "a workspace, or everything of its user's: deploys, variables, deletion", _FOREVER,
        "RUNBOOK_RAILWAY_PROJECT_TOKEN in its place",
    ),
    KeyRights(
        "RUNBOOK_FLY_TOKEN", "of a user", True, "every organization of its user", _FOREVER,
        "fly tokens create readonly --expiry 720h", begins="fo1_",
    ),
    KeyRights(
        "RUNBOOK_FLY_TOKEN", "", None,
        "the whole organization, every app in it, even where it was made to read alone",
        "20 years where --expiry was not given", "fly tokens create readonly --expiry 720h",
    ),
    KeyRights(
        "RUNBOOK_GITHUB_TOKEN", "fine-grained", None, "the repositories and permissions that were chosen",
        "as long as was chosen for it", "this repository alone: read of contents, pull requests, checks, commit statuses",
        begins="github_pat_",
    ),
    KeyRights(
        "RUNBOOK_GITHUB_TOKEN", "classic or of an app", None,
        "every repository of its user's, as far as its scopes go; `repo` writes",
        "as long as was chosen for it", "a fine-grained token github_pat_… of this repository alone",
    ),
    KeyRights(
        "SUPABASE_ANON_KEY", "", None, "what row-level security lets everybody do: it stands in every browser",
        "about 10 years as a legacy JWT; as sb_publishable_… " + _FOREVER, "this",
    ),
    KeyRights(
        "SUPABASE_SERVICE_ROLE_KEY", "", True,
        "every row of every table past row-level security, every user, every file: reads, writes, deletes",
        "about 10 years as a legacy JWT; as sb_secret_… " + _FOREVER,
        "leave it out: RUNBOOK_DATABASE_URL counts in its place, or the verdict says what was not seen",
    ),
    KeyRights(
        "RUNBOOK_SUPABASE_JWT_SECRET", "", True, "signs a token as any user, and as service_role",
        "until it is rotated, which ends every session",
        "leave it out: it only tells whether a legacy token's signature is right",
    ),
    KeyRights(
        "RUNBOOK_SUPABASE_ACCESS_TOKEN", "", None,
        "all organizations of its user, with what the user may, unless scopes were chosen",
        "as long as was chosen for it", "read of projects, database and analytics, of a member whose role is read-only",
    ),
    KeyRights(
        "RUNBOOK_DATABASE_URL", "of an owner", True, "every row of every table: reads, writes, drops",
        "until its password is changed", _DATABASE_LEAST,
        begins=r"postgres(?:ql)?://(?:postgres|supabase_admin|service_role)(?:\.[a-z0-9]+)?[:@]",
    ),
    KeyRights(
        "RUNBOOK_DATABASE_URL", "", None, "what its role was granted", "until its password is changed", _DATABASE_LEAST,
    ),
    KeyRights(
        "RUNBOOK_SCRATCH_DATABASE_URL", "", True, "a throw-away server: restores are tried there, so it must write",
        "until its password is changed", "a server that holds nothing else",
    ),
    KeyRights(
        "RUNBOOK_STRIPE_KEY", "restricted", None, "what was chosen for it, in one account",
        _FOREVER, _STRIPE_LEAST, begins="rk_",
    ),
    KeyRights(
        "RUNBOOK_STRIPE_KEY", "secret", True, "everything in the account: charges, refunds, payouts", _FOREVER, _STRIPE_LEAST,
    ),
    KeyRights(
        "STRIPE_SECRET_KEY", "restricted", None, "what was chosen for it, in one account",
        _FOREVER, _STRIPE_LEAST, begins="rk_",
    ),
    KeyRights(
        "STRIPE_SECRET_KEY", "secret", True, "everything in the account: charges, refunds, payouts", _FOREVER,
        "leave it out: it is the API's own, and only its mode and account are looked at",
    ),
    KeyRights(
        "STRIPE_API_KEY", "", None, "what the CLI may: with sk_… everything in the account",
        "90 days where it is of a login by the CLI",
        "`stripe login`, or a restricted test key",
    ),
    KeyRights(
        "STRIPE_WEBHOOK_SECRET", "", True, _SIGNS_EVENTS, "until it is rolled",
        "leave it out: 02 then cannot say whether the API has the right one",
    ),
    KeyRights(
        "OPENAI_API_KEY", "of an administrator", True, "the organization: users, keys, limits", _FOREVER,
        "a project's key whose permissions are Read only", begins="sk-admin-",
    ),
    KeyRights("OPENAI_API_KEY", "", None, _PAYS, _FOREVER, "a project's key whose permissions are Read only, with a budget"),
    KeyRights(
        "ANTHROPIC_API_KEY", "of an administrator", True, "the organization: users, keys, workspaces", _FOREVER,
        "a key of one workspace", begins="sk-ant-admin",
    ),
    KeyRights("ANTHROPIC_API_KEY", "", True, _PAYS, _FOREVER, "a key of one workspace with a spend limit"),
    KeyRights("TOGETHER_API_KEY", "", True, _PAYS, _FOREVER, "a project's key of its own"),
    KeyRights("RUNBOOK_TEMPO_TOKEN", "", None, _PROXY, "as long as was chosen for it", "Grafana Cloud: traces:read"),
    KeyRights("RUNBOOK_JAEGER_TOKEN", "", None, _PROXY, "as long as was chosen for it", "read of the query service"),
    KeyRights(
        "RUNBOOK_PROMETHEUS_TOKEN", "", None, _PROXY, "as long as was chosen for it", "Grafana Cloud: metrics:read, rules:read",
    ),
    KeyRights(
        "RUNBOOK_ALERTMANAGER_TOKEN", "", None, _PROXY, "as long as was chosen for it",
        "Grafana Cloud: alerts:read; alerts:write where test alerts are sent (--active)",
    ),
    KeyRights(
        "DOCKER_HOST", "", True, "whoever reaches a Docker engine is root on its machine",
        "as long as the engine listens there",
        "this machine's own, where the gateway's image is built at all",
    ),
)  # fmt: skip

# The same key under another name of NexusCore's.
_ALSO = {"NEXT_PUBLIC_SUPABASE_ANON_KEY": "SUPABASE_ANON_KEY"}
KEY_VARIABLES = frozenset({row.variable for row in KEY_RIGHTS} | _ALSO.keys())


def rights_of(variable: str, value: str) -> KeyRights | None:
    """What the key in this variable may do, by how it begins; None for a variable that holds no key. The value goes no further."""
    bare, name = value.strip(), _ALSO.get(variable, variable)
    return next((row for row in KEY_RIGHTS if row.variable == name and re.match(row.begins, bare)), None)


def in_words(can_write: bool | None) -> str:
    """Whether a key can write: yes, no, or that it cannot be told."""
    return "cannot be told" if can_write is None else "yes" if can_write else "no"


def keys_page() -> str:
    """The page docs/keys.md: every key with what it may do; generated, never edited."""
    return "\n".join(
        [
            "# What each key may do",
            "",
            "Generated from `runbook_lib/settings/key_rights.py` by `make docs`; do not edit.",
            "",
            "The runbook asks and never writes, whatever its keys could. A key that is stolen from its file does what the *key*",
            "can: give each one the least. None is needed to write anything, and each can be left out: its source is then",
            "`not_configured`, and the verdict says what was not seen. `runbook doctor` says the same of the keys that are set,",
            "with what their vendors tell.",
            "",
            "| key | can write | opens | lives | the least |",
            "|---|---|---|---|---|",
            *_rows(),
            "",
        ]
    )


def _rows() -> Iterator[str]:
    for row in KEY_RIGHTS:
        kind = f" {row.of}" if row.of else ""
        yield f"| `{row.variable}`{kind} | {in_words(row.can_write)} | {row.opens} | {row.lives} | {row.least} |"
