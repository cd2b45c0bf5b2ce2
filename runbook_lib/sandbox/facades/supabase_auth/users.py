"""Supabase Auth's users: rows of `auth.users` in the real database, as records and as the API shows them."""

import base64
import hashlib
import json
import os
import uuid
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from runbook_lib.sandbox.facades.supabase.state import stable_uuid

_ROUNDS = 4096  # far too few for a real service; a sandbox's passwords guard nothing
_SHOWN = """select u.id::text, u.aud, u.role, u.email, u.encrypted_password, u.email_confirmed_at, u.last_sign_in_at,
       u.raw_app_meta_data, u.raw_user_meta_data, u.is_anonymous, u.banned_until, u.deleted_at, u.created_at, u.updated_at,
       coalesce(to_jsonb(u) ->> 'phone', '') as phone from auth.users u"""

User = dict[str, Any]


def hash_password(password: str) -> str:
    """A salted hash of our own; passwords of this sandbox are checked nowhere else."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    return f"pbkdf2${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def password_fits(password: str, stored: str | None) -> bool:
    """Whether this is the password behind the stored hash."""
    kind, _, rest = (stored or "").partition("$")
    salt, _, digest = rest.partition("$")
    if kind != "pbkdf2" or not digest:
        return False
    made = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), _ROUNDS)
    return made == base64.b64decode(digest)


async def find_by_id(connection: AsyncConnection, user_id: str) -> User | None:
    """The user with this id, soft-deleted ones included, or None."""
    return await _one(connection, f"{_SHOWN} where u.id = %(id)s::uuid", {"id": user_id})


async def find_by_email(connection: AsyncConnection, email: str) -> User | None:
    """The user with this e-mail address, or None."""
    return await _one(
        connection, f"{_SHOWN} where u.email = lower(%(email)s) and u.deleted_at is null", {"email": email}
    )


async def page(connection: AsyncConnection, number: int, size: int) -> tuple[list[User], int]:
    """One page of users, newest first, and how many there are."""
    cursor = connection.cursor(row_factory=dict_row)
    bounds = {"size": size, "skip": (number - 1) * size}
    await cursor.execute(f"{_SHOWN} order by u.created_at desc, u.id limit %(size)s offset %(skip)s".encode(), bounds)
    rows = await cursor.fetchall()
    await cursor.execute("select count(*) as total from auth.users")
    counted = await cursor.fetchone()
    return rows, int(counted["total"]) if counted else 0


async def insert(
    connection: AsyncConnection,
    *,
    email: str,
    password: str | None,
    confirmed_at: datetime | None,
    role: str = "authenticated",
    app_metadata: dict[str, Any] | None = None,
    user_metadata: dict[str, Any] | None = None,
    user_id: str | None = None,
) -> User:
    """A new user; the e-mail address must be free."""
    values = {
        "id": user_id or str(uuid.uuid4()),
        "email": email.lower(),
        "password": hash_password(password) if password else None,
        "confirmed": confirmed_at,
        "role": role,
        "app": json.dumps({"provider": "email", "providers": ["email"], **(app_metadata or {})}),
        "user": json.dumps(user_metadata or {}),
    }
    await connection.execute(
        "insert into auth.users (id, email, encrypted_password, email_confirmed_at, role, raw_app_meta_data, raw_user_meta_data)"
        " values (%(id)s::uuid, %(email)s, %(password)s, %(confirmed)s, %(role)s, %(app)s::jsonb, %(user)s::jsonb)",
        values,
    )
    user = await find_by_id(connection, str(values["id"]))
    assert user is not None
    return user


async def change(connection: AsyncConnection, user_id: str, changes: dict[str, Any]) -> None:
    """Set these columns of a user, and `updated_at`."""
    columns = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in changes.items()}
    settings = ", ".join(f"{name} = %({name})s" for name in columns)
    text = f"update auth.users set {settings}{', ' if settings else ''}updated_at = now() where id = %(user_id)s::uuid"
    await connection.execute(text.encode(), {**columns, "user_id": user_id})


async def delete(connection: AsyncConnection, user_id: str) -> None:
    """Delete a user for good; rows of NexusCore that hang on it go by their foreign keys."""
    await connection.execute("delete from auth.users where id = %(id)s::uuid", {"id": user_id})


def merge_metadata(old: Any, new: dict[str, Any]) -> dict[str, Any]:
    """Metadata after an update: keys set to null go, the others are laid over."""
    return {k: v for k, v in {**(old or {}), **new}.items() if v is not None}


def user_row(user: User) -> dict[str, Any]:
    """A user as the API gives it."""
    identity = {
        "identity_id": stable_uuid("identity", user["id"]),
        "id": user["id"],
        "user_id": user["id"],
        "identity_data": {
            "email": user["email"],
            "email_verified": user["email_confirmed_at"] is not None,
            "phone_verified": False,
            "sub": user["id"],
        },
        "provider": "email",
        "last_sign_in_at": _iso(user["last_sign_in_at"] or user["created_at"]),
        "created_at": _iso(user["created_at"]),
        "updated_at": _iso(user["updated_at"]),
        "email": user["email"],
    }
    body: dict[str, Any] = {
        "id": user["id"],
        "aud": user["aud"] or "authenticated",
        "role": user["role"] or "authenticated",
        "email": user["email"] or "",
        "phone": user["phone"],
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "identities": [] if user["is_anonymous"] else [identity],
        "created_at": _iso(user["created_at"]),
        "updated_at": _iso(user["updated_at"]),
        "is_anonymous": user["is_anonymous"],
    }
    confirmed = {"email_confirmed_at": user["email_confirmed_at"], "confirmed_at": user["email_confirmed_at"]}
    dates = {**confirmed, **{name: user[name] for name in ("last_sign_in_at", "banned_until", "deleted_at")}}
    return {**body, **{name: _iso(at) for name, at in dates.items() if at is not None}}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def _one(connection: AsyncConnection, query: str, values: dict[str, Any]) -> User | None:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(query.encode(), values)
    return await cursor.fetchone()
