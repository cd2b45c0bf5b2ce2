"""Supabase Auth's sessions: what a sign-in hands out, how a refresh token is turned over, what a token says of its user.

Sessions live in the sandbox's memory; users in the database.
"""

import secrets
import uuid
from typing import Any

from runbook_lib.sandbox.facades.supabase import keys as supabase_keys
from runbook_lib.sandbox.facades.supabase.state import Session, SupabaseState
from runbook_lib.sandbox.facades.supabase_auth.users import User, user_row
from runbook_lib.sandbox.world import World


class RefreshRefused(Exception):
    """A refresh token that is not accepted: unknown, or used before (then its session is ended)."""

    def __init__(self, *, already_used: bool) -> None:
        super().__init__("already used" if already_used else "not found")
        self.already_used = already_used


def open_session(world: World, user: User) -> Session:
    """A new session for this user."""
    session = Session(str(uuid.uuid4()), user["id"], secrets.token_urlsafe(9), world.now())
    world.state(SupabaseState).sessions[session.id] = session
    return session


def turn_over(world: World, refresh_token: str) -> Session:
    """The session of a refresh token, with a new refresh token in its place.

    Raises:
        RefreshRefused: nobody has this token, or it was used before.
    """
    sessions = world.state(SupabaseState).sessions
    for session in list(sessions.values()):
        if refresh_token in session.spent:
            del sessions[session.id]
            raise RefreshRefused(already_used=True)
        if refresh_token == session.refresh_token:
            session.spent.add(refresh_token)
            session.refresh_token = secrets.token_urlsafe(9)
            return session
    raise RefreshRefused(already_used=False)


def end(world: World, user_id: str, session_id: str | None, scope: str) -> None:
    """Sign out. `scope`: local (this session), others (all but this one) or global (all of the user's)."""
    sessions = world.state(SupabaseState).sessions
    for session in list(sessions.values()):
        this = session.id == session_id
        if session.user_id == user_id and (scope == "global" or this == (scope == "local")):
            del sessions[session.id]


def token_answer(world: World, user: User, session: Session) -> dict[str, Any]:
    """The body of a sign-in: access token, refresh token, times and the user."""
    lifetime = world.state(SupabaseState).auth.token_lifetime_s
    now = int(world.now().timestamp())
    return {
        "access_token": supabase_keys.sign(world, claims_of(world, user, session)),
        "token_type": "bearer",
        "expires_in": lifetime,
        "expires_at": now + lifetime,
        "refresh_token": session.refresh_token,
        "user": user_row(user),
    }


def claims_of(world: World, user: User, session: Session) -> dict[str, Any]:
    """What an access token says. Source: supabase docs guides/auth/jwt-fields."""
    now = int(world.now().timestamp())
    return {
        "iss": supabase_keys.issuer(world),
        "sub": user["id"],
        "aud": user["aud"] or "authenticated",
        "exp": now + world.state(SupabaseState).auth.token_lifetime_s,
        "iat": now,
        "email": user["email"] or "",
        "phone": user["phone"],
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "role": user["role"] or "authenticated",
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": int(session.created_at.timestamp())}],
        "session_id": session.id,
        "is_anonymous": user["is_anonymous"],
    }
