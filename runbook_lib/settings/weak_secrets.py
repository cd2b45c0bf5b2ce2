"""Secrets that anybody could guess, and those that cannot be masked because they are words: `doctor` warns of them.

A password `postgres` would, masked wherever it stands, take the database's name out of every answer; so it is masked only where it
stands as a secret, and a sentence that repeats it would show it. The cure is another password.
"""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import groupby
from urllib.parse import unquote, urlsplit

import jwt
from jwt.types import Options

FEWEST = 8
_WORD_AT_MOST = 15  # letters alone, or digits alone: a word or a number, not a key
# What vendors' examples and local set-ups come with (the Supabase CLI, supabase/docker/.env.example, Postgres' images).
_JWT_SECRETS = (
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
)
_DEFAULTS = frozenset(
    {*_JWT_SECRETS, "your-super-secret-and-long-postgres-password", "changeme", "change-me", "password1", "postgres123"}
)
# The secret key of every project that the Supabase CLI starts, by its SHA-256: written out, it would be taken for a leak.
_DEFAULT_PRINTS = frozenset({"c85debb55f2f204d868cc1552c42faa143b4c675f61363ab040dd50b5b5304cd"})
_SIGNATURE_ALONE: Options = {
    "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False, "verify_iss": False, "verify_sub": False,
    "verify_jti": False,
}  # fmt: skip


def weak_secrets(places: Mapping[str, Mapping[str, str]], names: frozenset[str]) -> list[str]:
    """A sentence for each secret that is weak, with its variable, its place and why; never its value. Empty where none is.

    Args:
        places: the variables by the place that each stands in.
        names: the variables that hold secrets.
    """
    found = []
    for place, held in places.items():
        for name in sorted(names & held.keys()):
            if why := "; ".join(reasons(held[name].strip())):
                found.append(
                    f"{name} in {place} is weak: {why}; make another, for it is guessed easily and masked badly"
                )
    return found


def reasons(value: str) -> Iterator[str]:
    """Why a secret is weak, in words; nothing where it is not, is blank, or is a URL without a password."""
    try:
        url = urlsplit(value)
        password, parts = url.password, (url.username, url.hostname, url.path.strip("/"), url.scheme)
    except ValueError:
        return
    if "://" not in value:
        yield from _of_text(value)
        yield from _of_token(value)
    elif password:
        secret = unquote(password)
        named = dict(zip(parts, ("user", "host", "database", "scheme"), strict=True))
        if secret in named or password in named:
            yield f"its password is the {named.get(secret, named.get(password))} of its own URL"
        yield from (f"its password {why.removeprefix('it ')}" for why in _of_text(secret))


def _of_text(secret: str) -> Iterator[str]:
    if secret in _DEFAULTS or hashlib.sha256(secret.encode()).hexdigest() in _DEFAULT_PRINTS:
        yield "it is one that a vendor's example or local set-up comes with"
    elif 0 < len(secret) < FEWEST:
        yield f"it has fewer than {FEWEST} characters"
    elif len(secret) <= _WORD_AT_MOST and (secret.isalpha() or secret.isdigit()):
        yield "it is a word or a number"
    elif secret and len(list(groupby(secret))) < FEWEST // 2:
        yield "it is one character repeated"


def _of_token(token: str) -> Iterator[str]:
    """Whether a JWT is a key of the Supabase CLI's local project, or signed with that project's secret."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return
    if claims.get("iss") == "supabase-demo" or any(_is_signed_with(token, secret) for secret in _JWT_SECRETS):
        yield "it is signed with the secret that every local Supabase comes with"


def _is_signed_with(token: str, secret: str) -> bool:
    try:
        jwt.decode(token, secret, algorithms=["HS256"], options=_SIGNATURE_ALONE)
    except jwt.PyJWTError:
        return False
    return True
