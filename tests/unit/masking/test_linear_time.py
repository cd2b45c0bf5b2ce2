"""The time of masking grows with the text and no faster, whatever the text: one hostile log line cannot use up a run's deadline."""

import json
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_lib.core.redact import Redactor

REDACTOR = Redactor(["s3cr3t-value-of-mine", "another-long-one-77", "postgres"])
# pieces that a backtracking pattern, or a scanner that starts over, takes ever longer for
PIECES = [
    *(
        "access_token=",
        "password='",
        'password="',
        'password=\\"',
        "token: ",
        '"token: a b ',
        "'Authorization: x",
        "Cookie: a=b; ",
    ),
    *(
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n",
        "://a:",
        "://a:b@",
        "a@b.",
    ),
    *(
        "insert into t (password) values (",
        "insert into t (password) values ('",
        '{"name":"token",',
        '["token",',
        "(token)=(",
    ),
    *(
        '"value":"x","name":"token"}',
        "password: |\n  ",
        "dsn='",
        "dsn=",
        "signature: a, ",
        "secret is ",
        "--password ",
        "password=x(",
    ),
    *(
        "curl -u ",
        "mysql -p",
        "s3cr3t-",
        "%73%33",
        "s3cr3t-value-of-min\n",
        "<password>",
        "x-a-key",
        "\\",
        '"',
        "'",
        '="',
        "auth ",
    ),
    *(
        '{"password":["',
        "password:{",
        '{"cookies":{"a":',
        "eyJ",
        "eyJhbGciOi.",
        "Bearer ",
        "set-cookie, ",
        "- name: TOKEN\n",
        "é",
        "\0",
    ),
    *(
        "postgres ",
        "czNjcjN0",
        "&#115;",
        "\\u0073",
        'name="token" ',
        "login u password ",
        "api",
        "key=",
        "{",
        "[",
        "\n",
        "AKIA",
        "sk-",
    ),
]
SMALL, LARGE = 6_000, 48_000  # eight times as much


def _seconds(mask: Callable[[str], object], text: str) -> float:
    """The processor's time for masking a text: the best of two, for others work on this machine too."""
    spent = []
    for _ in range(2):
        begun = time.thread_time()
        mask(text)
        spent.append(time.thread_time() - begun)
    return min(spent)


def _grows_linearly(unit: str) -> bool:
    """Whether eight times the text takes about eight times as long; if it were quadratic it would take 64 times as long."""
    for mask in (REDACTOR.text, lambda text: REDACTOR.data(json.dumps([text]).encode())):
        small, large = (_seconds(mask, unit * (size // len(unit))) for size in (SMALL, LARGE))
        if large > 0.02 and large > 24 * small:
            return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_repeated_takes_time_in_proportion(piece: str) -> None:
    assert _grows_linearly(piece)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PIECES), min_size=2, max_size=5).map("".join))
def test_pieces_repeated_together_take_time_in_proportion(unit: str) -> None:
    assert _grows_linearly(unit)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 1_000_000))
def test_pieces_in_any_order_take_time_in_proportion(seed: int) -> None:
    text = "".join(random.Random(seed).choices(PIECES, k=12_000))
    small, large = (_seconds(REDACTOR.text, text[:size]) for size in (SMALL, LARGE))
    assert large <= max(0.02, 24 * small)
