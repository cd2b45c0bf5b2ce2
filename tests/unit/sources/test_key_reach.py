"""What vendors tell of a key's rights: GitHub in its headers, Vercel of the token and of its user's role."""

from collections.abc import Callable
from typing import Any

import pytest
from support.loopback import Loopback, Reply

from runbook_lib.core.model import Observation, Status
from runbook_lib.sources.github.reach import reach as github_reach
from runbook_lib.sources.vercel.reach import reach as vercel_reach

MakeLook = Callable[..., Observation]
TEAM = "team_9"


@pytest.mark.parametrize(
    ("headers", "can_write", "opens"),
    [
        ({"X-OAuth-Scopes": "repo, read:org"}, True, "scopes read:org, repo"),
        ({"X-OAuth-Scopes": "read:org, user:email"}, False, "scopes read:org, user:email"),
        ({"X-OAuth-Scopes": ""}, False, "scopes none: what is public"),
        ({}, None, ""),  # fine-grained
    ],
)
def test_a_classic_token_tells_its_scopes(
    headers: dict[str, str], can_write: bool | None, opens: str, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(200, {"full_name": "o/r"}, headers)
    seen = make_look(github_reach(), RUNBOOK_GITHUB_REPO="o/r")
    assert (seen.status, seen.value["can_write"], seen.value["opens"]) == (Status.ok, can_write, opens)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("2027-10-12 09:00:00 UTC", "2027-10-12T09:00:00.000Z"),
        ("2027-10-12 11:00:00 +0200", "2027-10-12T09:00:00.000Z"),
        ("never", None),
    ],
)
def test_github_tells_when_a_token_ends(told: str, at: str | None, loopback: Loopback, make_look: MakeLook) -> None:
    header = {"github-authentication-token-expiration": told}
    loopback.answer = lambda _: Reply(200, {"full_name": "o/r"}, header)
    assert make_look(github_reach(), RUNBOOK_GITHUB_REPO="o/r").value["expires_at"] == at


def vercel(loopback: Loopback, scopes: list[dict[str, Any]], role: str | None) -> None:
    team = Reply(200, {"membership": {"role": role}}) if role else Reply(403, {"error": {"code": "forbidden"}})
    token = Reply(200, {"token": {"expiresAt": 1_900_000_000_000, "scopes": scopes}})
    loopback.answer = lambda asked: team if asked.path.startswith("/v2/teams/") else token


@pytest.mark.parametrize(
    ("scopes", "role", "can_write"),
    [
        ([{"type": "team", "teamId": TEAM}], "VIEWER", False),
        ([{"type": "team", "teamId": TEAM}], "MEMBER", True),
        ([{"type": "team", "teamId": TEAM}], None, None),
        ([{"type": "user"}], "VIEWER", None),  # a Viewer here, and who knows what in other teams
        ([{"type": "team", "teamId": TEAM}, {"type": "team", "teamId": "team_8"}], "VIEWER", None),
        ([], "VIEWER", None),
    ],
)
def test_a_vercel_token_can_do_what_its_user_can_where_it_is_for(
    scopes: list[dict[str, Any]], role: str | None, can_write: bool | None, loopback: Loopback, make_look: MakeLook
) -> None:
    vercel(loopback, scopes, role)
    seen = make_look(vercel_reach(), RUNBOOK_VERCEL_TEAM_ID=TEAM)
    assert (seen.status, seen.value["can_write"]) == (Status.ok, can_write), seen.why
    assert seen.value["expires_at"] == "2030-03-17T17:46:40.000Z"


def test_a_vercel_token_tells_the_places_that_it_is_for(loopback: Loopback, make_look: MakeLook) -> None:
    vercel(loopback, [{"type": "user"}, {"type": "team", "teamId": TEAM}], "OWNER")
    opens = make_look(vercel_reach(), RUNBOOK_VERCEL_TEAM_ID=TEAM).value["opens"]
    assert opens == f"team {TEAM}, the whole account of its user; in the team its user is OWNER"
