"""What is said of a value instead of the value: its kind, its flaws, whom it belongs to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from support.variable_vendors import CANARY, LETTERS, OPAQUE, REF

from runbook_lib.core.clock import to_iso
from runbook_lib.io.http import Deadline
from runbook_lib.io.observe import Door
from runbook_lib.settings import Settings
from runbook_lib.sources.this_machine.variable_facts import facts_of


def facts(name: str, value: str, **variables: str) -> dict[str, Any]:
    return facts_of(Door(Settings.from_mapping(variables), Deadline(1), b"salt"), name, value)


@pytest.mark.parametrize(
    ("value", "kind", "flaws"),
    [
        (f"sk_live_51{LETTERS}", "stripe_secret", []), (f"rk_test_51{LETTERS}", "stripe_restricted", []),
        (f"pk_live_51{LETTERS}", "stripe_publishable", []), (f"whsec_{LETTERS}", "stripe_webhook_secret", []),
        (f"sb_publishable_{LETTERS}", "supabase_publishable", []), (f"sb_secret_{LETTERS}", "supabase_secret", []),
        (CANARY, "openai", []), (f"sk-ant-api03-{LETTERS}{LETTERS}", "anthropic", []), (OPAQUE, "opaque", []),
        (f"https://{REF}.supabase.co", "url", []), ("postgresql://u:p@h:5432/d", "database_url", []), ("ftp://x", "opaque", []),
        ("https://", "opaque", []), ("", "nothing", ["empty"]), ("  ", "nothing", ["empty"]), ('""', "nothing", ["empty"]),
        (f'"{CANARY}"', "openai", ["quoted"]), (f"{CANARY}\n", "openai", ["quoted"]), (" 'x y' ", "opaque", ["quoted"]),
        ("sk-your-openai-api-key-here-aaaaaaaaaaaaaaaaaaaa", "openai", ["placeholder"]), ("changeme", "opaque", ["placeholder"]),
        ("<your key>", "opaque", ["placeholder"]), ("sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "openai", ["placeholder"]),
        ("https://your-project.supabase.co", "url", ["placeholder"]), ("sk-ant-api03-abc", "anthropic", ["cut_off"]),
        ("a.b.c", "opaque", []), (f"gho_{LETTERS}", "github", []),
    ],
)  # fmt: skip
def test_a_value_is_known_by_its_kind_and_its_flaws(value: str, kind: str, flaws: list[str]) -> None:
    said = facts("ANY", value)
    assert (said["kind"], said["flaws"]) == (kind, flaws)


def test_a_legacy_supabase_key_tells_role_project_expiry_and_whether_the_secret_is_its_own() -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=9)
    claims = {"iss": "supabase", "ref": REF, "role": "service_role", "exp": int(ends.timestamp())}
    key = jwt.encode(claims, "the-project-s-own-secret-32-bytes!", algorithm="HS256")
    said = facts("SUPABASE_SERVICE_ROLE_KEY", key, RUNBOOK_SUPABASE_JWT_SECRET="the-project-s-own-secret-32-bytes!")
    assert (said["kind"], said["role"], said["ref"], said["expires_at"], said["verifies"]) == (
        "supabase_jwt", "service_role", REF, to_iso(ends), True,
    )  # fmt: skip
    assert facts("X", key, RUNBOOK_SUPABASE_JWT_SECRET="another-secret-of-at-least-32-bytes")["verifies"] is False
    assert facts("X", key)["verifies"] is None


def test_equal_values_have_one_print_whatever_surrounds_them() -> None:
    assert facts("A", CANARY)["print"] == facts("B", f' "{CANARY}" ')["print"] != facts("A", OPAQUE)["print"]
