"""What a request's headers ask of PostgREST."""

import pytest

from runbook_lib.sandbox.facades.postgrest.errors import RestError, status_of
from runbook_lib.sandbox.facades.postgrest.headers import (
    check_answer_kind,
    content_range,
    preferences,
    profile,
    range_status,
)
from runbook_lib.sandbox.facades.postgrest.hints import closest_name
from runbook_lib.sandbox.facades.supabase.state import RestSettings

SETTINGS = RestSettings(schemas=["public", "api"])


def test_whoever_takes_json_among_others_is_answered() -> None:
    for accept in (None, "image/png, */*;q=0.1", "text/html, application/json;q=0.9"):
        check_answer_kind(accept)
    with pytest.raises(RestError) as refused:
        check_answer_kind("image/png")
    assert (refused.value.status, refused.value.code) == (406, "PGRST107")


def test_the_first_of_two_preferences_counts() -> None:
    said = preferences(["return=minimal, return=representation", "count=exact,nonsense"])
    assert (said.get("return"), said.get("count")) == ("minimal", "exact")


def test_reads_and_writes_name_their_schema_in_different_headers() -> None:
    headers = {"accept-profile": "api", "content-profile": "hidden"}
    assert profile("GET", headers, SETTINGS) == ("api", True)
    with pytest.raises(RestError) as refused:
        profile("POST", headers, SETTINGS)
    assert refused.value.code == "PGRST106"


def test_ranges_are_told_as_parts_wholes_and_nothing() -> None:
    assert (content_range(0, 9, 100), range_status(0, 9, 100)) == ("0-9/100", 206)
    assert (content_range(0, -1, 0), range_status(0, -1, 0)) == ("*/0", 200)
    assert range_status(50, 49, 4) == 416


@pytest.mark.parametrize(
    ("code", "authenticated", "status"),
    [
        ("42501", True, 403),
        ("42501", False, 401),
        ("42P17", True, 500),
        ("57014", True, 500),
        ("25006", True, 405),
        ("53300", True, 503),
        ("53400", True, 500),
        ("23505", True, 409),
        ("PT418", True, 418),
        ("22P02", True, 400),
        ("08006", True, 503),
    ],
)
def test_every_sqlstate_has_its_status(code: str, authenticated: bool, status: int) -> None:
    assert status_of(code, "", authenticated) == status


def test_a_hint_names_only_what_is_close() -> None:
    assert closest_name("membership", ["memberships", "profiles"]) == "memberships"
    assert closest_name("nothing", ["memberships", "profiles"]) is None
