"""01's two classes: one request or a window of them, by the parameters; and what either says of a system that it cannot see."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.evidence import TRACE_ID, TraceBuilder, look, row

from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Observer
from runbook_lib.judging.causes import Catalogue
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.base import Procedure
from runbook_lib.procedures.failed_request.causes import CATALOGUE, with_evidence
from runbook_lib.procedures.failed_request.reading import Evidence
from runbook_lib.procedures.failed_request.steps import OneRequest, RequestWindow
from runbook_lib.procedures.failed_request.topics import of_one, of_window
from runbook_lib.procedures.failed_request.window_reading import WindowEvidence
from runbook_lib.run.home import Home
from runbook_lib.settings import Settings

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ID = "x7k2p-1795424400000-5f0c2a9b7d1e"
ASKED: list[dict[str, Any]] = [{}, {"route": "/chat"}, {"request_id": ID}, {"trace_id": TRACE_ID}]


def asked(parameters: dict[str, Any]) -> Procedure:
    """The procedure over a system of which nothing is configured."""
    observer = Observer(now=NOW, settings=Settings.empty())
    return Home.find().procedure("01_failed_request", parameters)(observer, parameters)


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ({}, RequestWindow),
        ({"request_id": " ", "route": "/chat", "since": "2h"}, RequestWindow),
        ({"request_id": "iad1::"}, RequestWindow),
        ({"request_id": ID}, OneRequest),
        ({"trace_id": TRACE_ID}, OneRequest),
    ],
)
def test_an_id_makes_it_one_request(parameters: dict[str, Any], kind: type[Procedure]) -> None:
    assert type(asked(parameters)) is kind


def test_both_have_the_same_steps_with_the_same_questions() -> None:
    one, many = ([(step.name, step.question) for step in each.steps()] for each in (OneRequest, RequestWindow))
    assert one == many


def test_every_topic_has_its_place_in_the_evidence() -> None:
    assert set(OneRequest.topics) <= set(Evidence.__dataclass_fields__)
    assert set(RequestWindow.topics) <= set(WindowEvidence.__dataclass_fields__)


def test_a_trace_id_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError):
        asked({"trace_id": "no trace"})


@pytest.mark.parametrize("catalogue", [CATALOGUE, with_evidence(of_one()), with_evidence(of_window())])
def test_every_cause_says_what_would_have_shown_it_of_one_and_of_many(catalogue: Catalogue) -> None:
    nothing = Seen((), catalogue.topics)
    for cause in catalogue.all():
        assert cause.shown_by is not None
        assert not nothing.shown(cause.shown_by).is_shown


@pytest.mark.parametrize("parameters", ASKED)
def test_where_nothing_is_configured_it_cannot_tell(parameters: dict[str, Any]) -> None:
    conclusion = asked(parameters).conclude()
    assert str(conclusion.status) == "could_not_tell"
    assert conclusion.suspects[0].deciding_look
    assert conclusion.not_seen


@pytest.mark.parametrize("parameters", ASKED)
def test_where_every_look_is_empty_it_cannot_tell(parameters: dict[str, Any]) -> None:
    dark = asked(parameters)
    dark.finish()
    empty = [Observation.from_dict({**each.as_dict(), "status": "empty", "why": ""}) for each in dark.look.observations]
    again = type(dark)(Observer(now=NOW, record=empty), parameters)
    assert str(again.conclude().status) == "could_not_tell"


def test_a_request_known_by_its_trace_alone_takes_its_time_from_it() -> None:
    builder = TraceBuilder()
    builder.provider(builder.chat(200), 40, 700)
    request = asked({"trace_id": TRACE_ID})
    assert isinstance(request, OneRequest)
    request.evidence = request.evidence.filed(traces=(look("tempo", "trace", builder.table(), trace_id=TRACE_ID),))
    assert request.search.at == NOW - timedelta(minutes=10)
    assert request.search.around_traffic.until == NOW


def test_only_whoever_was_seen_to_refuse_is_named() -> None:
    """Web's row alone may only pass on what another answered in the API's place."""
    request = asked({"request_id": ID})
    front = look("vercel", "request_log", [row(status=401, request_id=ID)], part="web")
    request.evidence = request.evidence.filed(request=(front,))
    conclusion = request.diagnose()
    assert (str(conclusion.status), conclusion.suspects[0].code) == (
        "could_not_tell",
        "request.auth_failed.session_expired",
    )
    behind = look("vercel", "request_log", [row("api", 401)], Status.ok, part="api")
    request.evidence = request.evidence.filed(logs=(behind,))
    assert [each.code for each in request.diagnose().causes] == ["request.auth_failed.session_expired"]
