"""A source that sends us elsewhere, with our key: nobody goes there, and it counts as no answer."""

from collections.abc import Callable, Iterator

import pytest
from support.loopback import Loopback, Reply

from runbook_lib.core.model import Observation
from tests.unit.sources.test_every_source import CASES, KEYED

MakeLook = Callable[..., Observation]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Loopback]:
    server = Loopback()
    server.answer = lambda _: Reply(200, {})
    yield server
    server.stop()


@pytest.mark.parametrize("name", KEYED)
def test_no_look_follows_a_redirect_to_elsewhere_or_takes_it_for_an_answer(
    name: str, loopback: Loopback, elsewhere: Loopback, make_look: MakeLook
) -> None:
    elsewhere.asked.clear()
    for status_code in (301, 302, 303, 307, 308):
        loopback.answer = lambda asked, code=status_code: Reply(code, "", {"Location": f"{elsewhere.url}{asked.path}"})
        seen = make_look(CASES[name].look())
        assert loopback.asked, "it was asked at all"
        assert not seen.status.answered, (status_code, seen.value)
    assert elsewhere.asked == []
