"""What a request's headers ask of PostgREST."""

import pytest

from runbook_lib.sandbox.facades.postgrest.errors import RestError, status_of
from runbook_lib.sandbox.facades.postgrest.headers import (
    answer_kind,
    content_range,
    header_range,
    preferences,
    profile,
    range_status,
)
from runbook_lib.sandbox.facades.postgrest.hints import closest
from runbook_lib.sandbox.facades.supabase.state import RestSettings

SETTINGS = RestSettings(schemas=["public", "api"])


def test_the_first_acceptable_answer_by_weight_is_given() -> None:
    assert answer_kind("image/png, text/csv;q=0.4, application/json;q=0.9", SETTINGS).kind == "json"
    assert answer_kind("application/vnd.pgrst.object+json;nulls=stripped", SETTINGS).strip_nulls
    assert answer_kind(None, SETTINGS).kind == "json"
    with pytest.raises(RestError) as refused:
        answer_kind("image/png", SETTINGS)
    assert (refused.value.status, refused.value.code) == (406, "PGRST107")


def test_plans_are_given_only_where_they_are_enabled() -> None:
    accept = 'application/vnd.pgrst.plan+json; for="application/json"; options=analyze|buffers;'
    assert answer_kind(accept, SETTINGS).plan_options == ("analyze", "buffers")
    with pytest.raises(RestError):
        answer_kind(accept, RestSettings(plan_enabled=False))


def test_the_first_of_two_preferences_counts_and_strict_handling_refuses_the_unknown() -> None:
    said = preferences(["return=minimal, return=representation", "count=exact,nonsense"])
    assert (said.get("return"), said.get("count"), said.invalid) == ("minimal", "exact", ["nonsense"])
    with pytest.raises(RestError) as refused:
        preferences(["handling=strict,nonsense"])
    assert refused.value.details == "Invalid preferences: nonsense"


def test_reads_and_writes_name_their_schema_in_different_headers() -> None:
    headers = {"accept-profile": "api", "content-profile": "hidden"}
    assert profile("GET", headers, SETTINGS) == ("api", True)
    with pytest.raises(RestError) as refused:
        profile("POST", headers, SETTINGS)
    assert refused.value.code == "PGRST106"


def test_ranges_are_told_as_parts_wholes_and_nothing() -> None:
    assert header_range("GET", "2-4") == (2, 3)
    assert header_range("POST", "2-4") == (0, None)
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
    assert closest("membership", ["memberships", "profiles"]) == "memberships"
    assert closest("nothing", ["memberships", "profiles"]) is None
