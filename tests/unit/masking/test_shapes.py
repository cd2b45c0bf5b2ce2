"""Other vendors' secrets, which no setting knows, are masked by their shape; what only looks alike stays."""

import json

import pytest

from runbook_lib.core.redact import Redactor

SECRETS = [
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "-".join(("xoxb", "123456789012", "1234567890123", "AbCdEfGhIjKlMnOpQrStUvWx")),
    "AIzaSyA1234567890abcdefghijklmnopqrstuvw",
    "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    "npm_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "glpat-AbCdEfGhIjKlMnOpQrSt",
    "glsa_AbCdEfGhIjKlMnOpQrStUvWx_0a1b2c3d",
]
WRITTEN = [
    ("RESEND_API_KEY=q7w8e9r0t1", "q7w8e9r0t1"),
    ("env: SESSION_SECRET=correct-horse", "correct-horse"),
    ("CI_TOKEN=0a1b2c3d", "0a1b2c3d"),
    ("GET /cb?access_token=abc.def-1&x=2", "abc.def-1"),
    ("POST grant client_secret=s3cr3t-1", "s3cr3t-1"),
    ("https://maps.example/js?api_key=k-123456", "k-123456"),
]
HARMLESS = [
    "STRIPE_SECRET_KEY · api is not set",
    "max_tokens=4096, tokens=120",
    "next page: cursor=eyebrow",
    "AKIA is the prefix of an AWS key",
    "key=value",
    "look(apikey=apikey, access_token=token_of_user)",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_of_a_known_shape_is_masked_wherever_it_stands(secret: str) -> None:
    for text in (f"boom token={secret} end", f"({secret})", json.dumps({"message": f'said "{secret}"'})):
        clean = Redactor().text(text)
        assert secret not in clean
        assert Redactor().text(clean) == clean


@pytest.mark.parametrize(("text", "secret"), WRITTEN)
def test_what_is_assigned_to_a_name_of_a_secret_is_masked_and_the_name_stays(text: str, secret: str) -> None:
    clean = Redactor().text(text)
    assert secret not in clean
    assert clean.startswith(text[: text.index("=")])
    assert Redactor().text(clean) == clean


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert Redactor().text(text) == text
