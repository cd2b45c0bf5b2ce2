"""Faults of 03 that lie with the session: the token, who it speaks for, and what was sent beside it.

The user is Grace, an admin of Acme Rockets. An exercise returns what on-call knows: `asked` (user, org, table, command, row_id),
and `token` and `apikey` where the session is what on-call was given.
"""

import os
import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from runbook_lib.core.errors import SandboxError
from runbook_lib.drills.kit.fault import Exercise, Fault, Result, Step, Variant, alias, fault, use
from runbook_lib.sandbox import plain_http
from runbook_lib.sandbox.seed import PASSWORD

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

USER, ORG = "grace@acme.example", "Acme Rockets"
AT_ACME = f"(select id from public.organizations where name = '{ORG}')"
GRACE = f"(select id from auth.users where email = '{USER}')"


def sql(statement: str, undo: str = "", role: str = "supabase_admin") -> Step:
    """A change of the database; without `undo` the whole of it is put back when healed."""
    return use("sql", statement=statement, undo=undo, role=role)


def org_id(sandbox: "Sandbox", name: str = ORG) -> str:
    """An organization's id."""
    return next(str(each["id"]) for each in sandbox.organizations if each["name"] == name)


def access(**asked: str) -> Exercise:
    """The user tells on-call what they cannot see or do: the usage records, unless told otherwise. Nothing else is needed."""

    def act(sandbox: "Sandbox") -> Result:
        given = {"user": USER, "org": org_id(sandbox), "table": "usage_records", **asked}
        return {"asked": {key: value for key, value in given.items() if value}}

    return act


def sign_in(sandbox: "Sandbox", email: str = USER) -> str:
    """A token as Auth gives it to a user now. Raises SandboxError where Auth gives none."""
    answer = _ask(sandbox, "POST", "/auth/v1/token?grant_type=password", json={"email": email, "password": PASSWORD})
    if answer.status_code != 200:
        raise SandboxError("Nobody could sign in", where=email, came_back=answer.text[:200])
    return str(answer.json()["access_token"])


def with_token(sandbox: "Sandbox", token: str, **asked: str) -> Result:
    """On-call was given the token that the user's request carried; a read with it is what the user did."""
    given = {"org": org_id(sandbox), "table": "usage_records", **asked}
    _ask(sandbox, "GET", f"/rest/v1/{given['table']}?select=id&limit=1", Authorization=f"Bearer {token}")
    return {"asked": {key: value for key, value in given.items() if value}, "token": token}


def _ask(sandbox: "Sandbox", method: str, path: str, json: Any = None, **headers: str) -> httpx.Response:
    """One request of a browser's, with the anon key. Raises SandboxError where nothing answers."""
    sent = {"apikey": sandbox.env["NEXT_PUBLIC_SUPABASE_ANON_KEY"], **headers}
    try:
        return plain_http.request(method, f"{sandbox.endpoints['supabase']}{path}", json=json, headers=sent, timeout=60)
    except httpx.HTTPError as error:
        raise SandboxError("The project did not answer", where=path, came_back=str(error)) from error


def ask_with_own_token(sandbox: "Sandbox") -> Result:
    """The user's own token, as Auth gives it."""
    return with_token(sandbox, sign_in(sandbox))


def mint_token(key: str = "", **changed: Any) -> Exercise:
    """A token of somebody's own making, with the user's claims but for those that are changed (None: left out)."""

    def act(sandbox: "Sandbox") -> Result:
        claims = {**jwt.decode(sign_in(sandbox), options={"verify_signature": False}), **changed}
        kept = {name: value for name, value in claims.items() if value is not None}
        secret = key or sandbox.env["RUNBOOK_SUPABASE_JWT_SECRET"]
        return with_token(sandbox, jwt.encode(kept, secret, algorithm="HS256"))

    return act


def _in_an_hour(sandbox: "Sandbox") -> Result:
    """Whoever signed it has a clock that is ahead."""
    return mint_token(nbf=int(time.time()) + 3600)(sandbox)


def _anonymous(sandbox: "Sandbox") -> Result:
    return with_token(sandbox, sandbox.env["NEXT_PUBLIC_SUPABASE_ANON_KEY"])


def _long_ago(sandbox: "Sandbox") -> Result:
    now = int(time.time())
    return mint_token(iat=now - 7200, exp=now - 3600)(sandbox)


def _forged(sandbox: "Sandbox") -> Result:
    head, _, _ = sign_in(sandbox).rpartition(".")
    return with_token(sandbox, f"{head}.{'A' * 43}")


def _garbled(sandbox: "Sandbox") -> Result:
    return with_token(sandbox, "session-cookie-of-another-kind")


def _rotated(sandbox: "Sandbox") -> Result:
    """A key signed it that the project does not list (any more)."""
    claims = jwt.decode(sign_in(sandbox), options={"verify_signature": False})
    key = ec.generate_private_key(ec.SECP256R1())
    return with_token(sandbox, jwt.encode(claims, key, algorithm="ES256", headers={"kid": os.urandom(8).hex()}))


def _service_key(sandbox: "Sandbox") -> Result:
    return with_token(sandbox, sandbox.env["SUPABASE_SERVICE_ROLE_KEY"])


def _beside_the_service_key(sandbox: "Sandbox") -> Result:
    return {**ask_with_own_token(sandbox), "apikey": sandbox.env["SUPABASE_SERVICE_ROLE_KEY"]}


def _somebody_elses(sandbox: "Sandbox") -> Result:
    """The client holds the session of another account."""
    return with_token(sandbox, sign_in(sandbox, "donald@initech.example"), user=USER)


def _promoted_meanwhile(sandbox: "Sandbox") -> Result:
    """The token was given out before Auth learned of the user's organization."""
    token = sign_in(sandbox)
    sandbox.inject(
        "sql",
        statement="update auth.users set raw_app_meta_data = raw_app_meta_data || "
        f"jsonb_build_object('orgs', jsonb_build_array({AT_ACME}::text)) where email = '{USER}'",
    )
    return with_token(sandbox, token)


_INVALID = (
    fault("rls.jwt_invalid.form", by=_garbled),
    fault(
        "rls.jwt_invalid.signature",
        by=_forged,
        another_secret=Variant((), mint_token("a-secret-of-another-project-0123456789")),
    ),
    fault("rls.jwt_invalid.key", by=_rotated),
    fault(
        "rls.jwt_invalid.project",
        by=mint_token("a-secret-of-another-project-0123456789", iss="https://abcdefghijklmnopqrst.supabase.co/auth/v1"),
    ),
    fault(
        "rls.jwt_invalid.audience",
        use("dial", of="SupabaseState", field="rest.jwt_audience", value="authenticated"),
        by=mint_token(aud="another-app"),
    ),
    fault("rls.jwt_invalid.not_yet", by=_in_an_hour),
)

FAULTS: tuple[Fault, ...] = (
    fault("rls.no_session", by=_anonymous),
    fault("rls.jwt_expired", by=_long_ago),
    alias("rls.jwt_invalid", _INVALID[1]),
    *_INVALID,
    fault("rls.jwt_no_subject", by=mint_token(sub=None)),
    fault(
        "rls.wrong_role",
        sql(
            f"update auth.users set role = 'anon' where email = '{USER}'",
            f"update auth.users set role = 'authenticated' where email = '{USER}'",
        ),
        by=ask_with_own_token,
        service_key=Variant((), _service_key),
        unknown=Variant((), mint_token(role="nexus_user")),
    ),
    fault("rls.wrong_user", by=_somebody_elses),
    fault("rls.service_role_overridden", by=_beside_the_service_key),
    fault(
        "rls.stale_claims",
        sql(
            "alter policy usage_records_select_member on public.usage_records using "
            "(coalesce(auth.jwt() -> 'app_metadata' -> 'orgs', '[]') ? org_id::text)"
        ),
        by=_promoted_meanwhile,
    ),
)  # fmt: skip
