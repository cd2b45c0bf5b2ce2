"""A value that the settings hold is found in whatever spelling a program wrote it, and structure is never taken for one."""

import base64
import html
import json
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.core.redact import Redactor
from runbook_lib.settings import Settings

SECRET = "q7/W+e'9 \"r&0=t1\\y"


def _broken(text: str, by: str) -> str:
    return text[: len(text) // 2] + by + text[len(text) // 2 :]


def _base64_of(before: bytes) -> Callable[[str], str]:
    return lambda secret: base64.b64encode(before + secret.encode() + b"zz").decode()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": lambda s: quote(s, safe=""),
    "url in small letters": lambda s: quote(s, safe="").lower() if s.islower() else quote(s, safe="/"),
    "form": quote_plus,
    "url twice": lambda s: quote(quote(s, safe=""), safe=""),
    "every byte in url": lambda s: "".join(f"%{byte:02x}" for byte in s.encode()),
    "json": lambda s: json.dumps(s)[1:-1],
    "json in json": lambda s: json.dumps(json.dumps(s))[3:-3],
    "json code points": lambda s: "".join(f"\\u{ord(char):04x}" for char in s),
    "html": html.escape,
    "html code points": lambda s: "".join(f"&#{ord(char)};" for char in s),
    "html in hexadecimal": lambda s: "".join(f"&#x{ord(char):X};" for char in s),
    "shell": shlex.quote,
    "python": lambda s: repr(s)[1:-1],
    "hexadecimal": lambda s: s.encode().hex(),
    "hexadecimal in capitals": lambda s: s.encode().hex().upper(),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 without padding": lambda s: base64.b64encode(s.encode()).decode().rstrip("="),
    "base64 for urls": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "base64 behind one byte": _base64_of(b"a"),
    "base64 behind two bytes": _base64_of(b"a:"),
    "basic authorization": _base64_of(b"user:"),
    "base64 in lines": lambda s: base64.encodebytes((s * 5).encode()).decode(),
    "cut by a line break": lambda s: _broken(s, "\n"),
    "cut by a windows line break": lambda s: _broken(s, "\r\n    "),
    "cut by a continued line": lambda s: _broken(s, "\\\n  "),
    "base64 cut by a line break": lambda s: _broken(base64.b64encode(s.encode()).decode(), "\n"),
}


def _kept(redactor: Redactor, text: str) -> tuple[str, str, str]:
    """A text as it is left alone, within JSON, and within JSON within JSON."""
    alone = redactor.text(text)
    once = orjson.loads(redactor.data(orjson.dumps({"line": text, "next": "stays"})))
    twice = orjson.loads(redactor.data(orjson.dumps({"line": json.dumps({"m": text}), "next": "stays"})))
    assert once["next"] == twice["next"] == "stays"
    return alone, once["line"], twice["line"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("secret", [SECRET, "plainlettersanddigits42", "pässwörd-straße-1"])
def test_a_known_value_is_masked_in_any_spelling(spelling: str, secret: str) -> None:
    written = SPELLINGS[spelling](secret)
    for left in _kept(Redactor([secret]), f"before {written} after"):
        assert "redacted" in left
        assert "before" in left
        for part in (written, written[: len(written) * 2 // 3], written[len(written) // 3 :]):
            assert part not in left


@given(secret=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40).map(str.strip))
def test_any_value_long_enough_is_masked_as_it_is_and_in_json(secret: str) -> None:
    if len(secret) < 8 or not any(char.isdigit() for char in secret):
        secret += "-0-tail-7"
    for left in _kept(Redactor([secret]), f"before {secret} after"):
        assert secret not in left
        assert json.dumps(secret)[1:-1] not in left


def test_a_value_shorter_than_eight_characters_masks_nothing() -> None:
    assert Redactor(["abc1234"]).text("abc1234") == "abc1234"


WORD = "postgres"


def test_a_word_that_is_a_password_leaves_the_structure_whole() -> None:
    redactor = Redactor([WORD])
    seen = {
        "postgres": {"postgres": "the postgres server"},
        "rows": [{"postgres": 1}],
        "note": "login of postgres failed",
    }
    left = orjson.loads(redactor.data(orjson.dumps(seen)))
    assert left == {
        "postgres": {"postgres": "the <redacted> server"},
        "rows": [{"postgres": 1}],
        "note": "login of <redacted> failed",
    }


def test_a_word_that_is_a_password_leaves_our_own_words_whole() -> None:
    ours = b'{"code":"database.down","summary":"postgres does not answer","evidence":["postgres.activity-1a2b3c4d"]}'
    assert Redactor([WORD]).own(ours) == ours
    assert b"q7w8e9r0t1" not in Redactor(["q7w8e9r0t1"]).own(b'{"summary":"said q7w8e9r0t1"}')


def test_a_password_that_is_the_user_of_its_url_is_masked_where_it_stands_as_a_secret_only() -> None:
    url = "postgresql://postgres:postgres@db.example:5432/postgres"
    values = Settings.from_mapping({"RUNBOOK_DATABASE_URL": url}).secret_values()
    assert "postgres" not in values
    redactor = Redactor(values)
    assert redactor.text("role postgres of database postgres") == "role postgres of database postgres"
    assert redactor.text("PGPASSWORD=postgres psql") == "PGPASSWORD=<redacted> psql"
    assert "postgres:<redacted>@db" in redactor.text("postgres://postgres:postgres@db/postgres")


def test_the_password_of_an_url_is_known_as_it_is_written_and_as_it_is() -> None:
    values = Settings.from_mapping({"RUNBOOK_DATABASE_URL": "postgresql://app:p%40ss%2Fw0rd%21@db/x"}).secret_values()
    assert "p@ss/w0rd!" in values
    assert "w0rd" not in Redactor(values).text("FATAL: password authentication failed with p@ss/w0rd!")
