"""Secrets that anybody could guess: told by variable and reason, and never shown."""

import time

import jwt
import pytest

from runbook_lib.settings.weak_secrets import reasons, weak_secrets

LOCAL = "super-secret-jwt-token-with-at-least-32-characters-long"
STRONG = "b7Qz-8fK2mX_w4LpR9sT"


def signed(secret: str, **claims: str) -> str:
    return jwt.encode({"role": "service_role", "exp": int(time.time()) + 60, **claims}, secret, algorithm="HS256")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("postgresql://postgres:postgres@127.0.0.1:54322/postgres", "of its own URL"),
        ("postgresql://runbook:db.example@db.example/app", "the host of its own URL"),
        ("postgresql://runbook:app@db.example/app", "the database of its own URL"),
        ("postgresql://runbook:run%62ook@db.example/app", "the user of its own URL"),
        ("postgresql://runbook:s3cr3t@db.example/app", "fewer than 8"),
        ("postgresql://runbook:nexuscore@db.example/app", "a word"),
        ("postgresql://runbook:your-super-secret-and-long-postgres-password@db.example/app", "comes with"),
        ("abc", "fewer than 8"),
        ("12345678", "a word or a number"),
        ("changeme", "comes with"),
        ("x" * 40, "repeated"),
        (LOCAL, "comes with"),
        (signed(LOCAL), "every local Supabase"),
        (signed("0" * 40, iss="supabase-demo"), "every local Supabase"),
    ],
)
def test_a_weak_secret_says_why(value: str, why: str) -> None:
    assert why in "; ".join(reasons(value))


@pytest.mark.parametrize(
    "value",
    [
        "",
        STRONG,
        f"postgresql://postgres:{STRONG}@db.example/postgres",
        "postgresql://runbook@db.example/app",
        "unix:///var/run/docker.sock",
        "tcp://127.0.0.1:2375",
        "https://[not-an-address",
        "FlyV1 fm2_lJPECAAAAAAAAAAA",
        signed("q8Zt-5vN1cY_j7HdM3kWq8Zt-5vN1cY_j7HdM3kW"),
    ],
)
def test_nothing_is_said_of_a_secret_that_is_none_of_these(value: str) -> None:
    assert list(reasons(value)) == []


def test_the_warning_names_the_variable_and_its_place_and_holds_no_value() -> None:
    places = {".env": {"RUNBOOK_DATABASE_URL": "postgresql://runbook:s3cr3t@db.example/app", "OTHER": "s3cr3t"}}
    (warning,) = weak_secrets(places, frozenset({"RUNBOOK_DATABASE_URL", "RUNBOOK_STRIPE_KEY"}))
    assert warning.startswith("RUNBOOK_DATABASE_URL in .env is weak: ")
    assert "s3cr3t" not in warning
