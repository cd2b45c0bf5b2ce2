"""How 03 may be asked, and how it looks: a question that cannot be is refused before anything, and everything is asked at once."""

import threading
from datetime import UTC, datetime

import pytest

from runbook_lib.errors import UsageError
from runbook_lib.model import Answer, Status, VerdictStatus
from runbook_lib.observe import Look, Observer
from runbook_lib.procedures.supabase_rls import SupabaseRls

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ADA = {"user": "ada@acme.example", "org": "7f1c1f0a-3a55-4a9e-8a43-0a8c4d7f9b10", "table": "usage_records"}


def asked(**parameters: str) -> SupabaseRls:
    return SupabaseRls(Observer(now=NOW, record=[]), parameters)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"user": "ada", "table": "public.memberships"}, "without a schema"),
        ({"user": "ada", "table": "memberships; drop table profiles"}, "no table's name"),
        ({"user": "ada", "table": 'x"y'}, "no table's name"),
        ({"org": "7f1c1f0a-3a55-4a9e-8a43-0a8c4d7f9b10"}, "Whose access"),
        ({"row_id": "1"}, "Whose access"),
        ({"table": "memberships"}, "Whose access"),
        ({"command": "delete"}, "Whose access"),
        ({"user": "a" * 300}, "300 characters"),
        ({"user": "ada", "row_id": "1\n2"}, "control characters"),
        ({"user": "ada\0"}, "control characters"),
    ],
)
def test_a_question_that_cannot_be_is_refused_with_what_to_do(parameters: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        asked(**parameters)
    assert refused.value.do_next


@pytest.mark.parametrize(
    "text", ["'; drop table profiles; --", '" or 1=1', "{}", "%s", "$1", "a,b.c(d)", "ä@ö.example"]
)
def test_what_looks_like_syntax_in_an_id_is_only_a_value(text: str) -> None:
    assert asked(user=text, org=text, row_id=text, table="usage_records").evidence.row_id == text


def test_without_a_user_it_is_the_audit_and_with_one_it_is_not() -> None:
    assert asked().evidence.is_audit
    assert not asked(user="ada").evidence.is_audit
    assert not asked(jwt="env:TOKEN").evidence.is_audit


@pytest.mark.parametrize("parameters", [{}, ADA, {"jwt": "env:TOKEN"}])
def test_where_nothing_was_seen_it_cannot_tell_and_says_what_to_look_at(parameters: dict[str, str]) -> None:
    conclusion = asked(**parameters).conclude()
    assert conclusion.status == VerdictStatus.could_not_tell
    assert conclusion.suspects
    assert conclusion.not_seen


class _Meeting(Observer):
    """An observer whose looks all wait for one another: whoever asks one after the other waits in vain."""

    def together(self, *looks: Look) -> list:  # type: ignore[override]
        if len(looks) < 10:
            return super().together(*looks)
        barrier = threading.Barrier(len(looks))

        def waiting(look: Look) -> Look:
            def fetch(_: object) -> Answer:
                barrier.wait(5)
                return Answer(Status.unreachable, None, "nobody is there")

            return Look(look.source, look.call, look.arguments, fetch, 10)

        self.met = len(looks)
        return super().together(*(waiting(look) for look in looks))


def test_no_look_waits_for_another() -> None:
    observer = _Meeting(now=NOW)
    procedure = SupabaseRls(observer, ADA)
    procedure.run_step("judge_the_token")
    assert observer.met == len(observer.observations)
    assert {str(look.status) for look in observer.observations} == {"unreachable"}
    before = len(observer.observations)
    procedure.run_step("read_the_policies")
    assert len(observer.observations) == before, "what was asked already is not asked again"
    procedure.run_step("read_the_policies")
    assert len(observer.observations) == before + 2, "a step that is run again looks again, at its own part"
