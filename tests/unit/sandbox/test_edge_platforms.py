"""Each platform numbers requests and refuses them in its own way."""

import json
import re
from datetime import UTC, datetime

import pytest

from runbook_lib.sandbox.edge_platforms import PLATFORMS, Refusal

AT = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("platform", "pattern"),
    [
        ("vercel", r"iad1::iad1::[a-z0-9]{5}-1795428000000-[0-9a-f]{12}"),
        ("railway", r"[A-Za-z0-9_-]{22}"),
        ("fly", r"[0-9A-HJKMNP-TV-Z]{26}-iad"),
    ],
)
def test_ids_have_the_platforms_form_and_are_never_the_same(platform: str, pattern: str) -> None:
    seen = [PLATFORMS[platform].new_id(AT) for _ in range(200)]
    assert all(re.fullmatch(pattern, shown) for _, shown in seen)
    assert all(shown.rpartition("::")[2] == logged for logged, shown in seen)
    assert len({logged for logged, _ in seen}) == 200


def _all(platform: str) -> list[Refusal]:
    here = PLATFORMS[platform]
    return [
        here.answer_unreachable(8000),
        here.answer_cut_off(),
        here.timed_out(15),
        here.out_of_memory(),
        here.answer_denied(),
        here.answer_login(),
        here.answer_nowhere(),
    ]


@pytest.mark.parametrize("platform", ["vercel", "railway", "fly"])
def test_every_refusal_is_an_error_with_a_word_for_it(platform: str) -> None:
    for refusal in _all(platform):
        assert 400 <= refusal.status <= 504
        assert refusal.error
        assert refusal.row_status in (refusal.status, -1)


def test_railways_refusals_are_json_with_the_request_id() -> None:
    for refusal in _all("railway"):
        assert json.loads(refusal.body.replace("{id}", "abc"))["request_id"] == "abc"
