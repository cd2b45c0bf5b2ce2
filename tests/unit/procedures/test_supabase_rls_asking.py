"""How 03 may be asked, and how it looks: a question that cannot be is refused before anything, and everything is asked at once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Observation, Status, VerdictStatus
from runbook_lib.io.observe import Look, Observer
from runbook_lib.procedures.supabase_rls.rights import Rights
from runbook_lib.run.home import Home

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ADA = {"user": "ada@acme.example", "org": "7f1c1f0a-3a55-4a9e-8a43-0a8c4d7f9b10", "table": "usage_records"}


def asked(**parameters: str) -> Rights:
    return asking(Observer(now=NOW, record=[]), parameters)


def asking(observer: Observer, parameters: Mapping[str, str]) -> Rights:
    """The procedure in the form that these parameters ask for."""
    procedure = Home.find({}).procedure("03_supabase_rls", parameters)(observer, parameters)
    assert isinstance(procedure, Rights)
    return procedure


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


class _Foreseeing(Observer):
    """An observer that remembers what was begun ahead and what was then made."""

    def __init__(self) -> None:
        super().__init__(now=NOW, record=[])
        self.begun: list[tuple[str, str]] = []
        self.begun_after: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self.made: list[tuple[str, str]] = []

    @property
    def replaying(self) -> bool:
        """It would be asked live."""
        return False

    def ahead(self, *looks: Look) -> None:
        self.begun += [(look.source, look.call) for look in looks]
        self.begun_after |= {(look.source, look.call): list(self.made) for look in looks}

    def begin(self, *looks: Look) -> Callable[[], list[Observation]]:
        self.made += [(look.source, look.call) for look in looks]
        return super().begin(*looks)


@pytest.mark.parametrize("parameters", [{}, ADA, {"jwt": "env:TOKEN"}])
def test_every_look_is_foreseen_but_the_one_that_stands_in_for_others(parameters: dict[str, str]) -> None:
    observer = _Foreseeing()
    asking(observer, parameters).conclude()
    standing_in = [("supabase", "rest_user")] if parameters else []
    standing_in += [("supabase", "rest_organization")] if "org" in parameters else []
    assert sorted(observer.made) == sorted([*observer.begun, *standing_in])


def test_what_is_about_an_organization_waits_for_its_id_where_only_its_name_was_given() -> None:
    observer = _Foreseeing()
    asking(observer, {**ADA, "org": "Acme Rockets"}).conclude()
    about = {("postgres", "as_user"), ("supabase", "rest_as_user"), ("supabase", "rest_past_rls"), ("supabase", "rows")}
    for each in about:
        assert ("supabase", "rest_organization") in observer.begun_after[each], (
            "the last who could tell was asked before"
        )
    assert observer.begun_after["postgres", "organization"] == []


class _Naming(_Foreseeing):
    """An observer of a system in which the organization has an id, whatever it was called by."""

    def begin(self, *looks: Look) -> Callable[[], list[Observation]]:
        self.asked = [*getattr(self, "asked", []), *looks]
        seen = super().begin(*looks)
        found = {"id": ADA["org"], "name": "Acme Rockets"}
        return lambda: [
            replace(each, status=Status.ok, value=found) if each.call == "organization" else each for each in seen()
        ]


@pytest.mark.parametrize("org", ["Acme Rockets", ADA["org"], ADA["org"].upper()])
def test_every_look_is_asked_with_the_organizations_id(org: str) -> None:
    observer = _Naming()
    asking(observer, {**ADA, "org": org}).conclude()
    asked = {(each.source, each.call): each.arguments for each in observer.asked}
    for source, call in (("postgres", "as_user"), ("supabase", "rest_past_rls"), ("supabase", "rows")):
        assert asked[source, call]["org"] == ADA["org"]
    assert ("supabase", "rest_organization") not in asked


def test_a_step_that_is_run_again_looks_again_at_its_own_part() -> None:
    observer = _Foreseeing()
    procedure = asking(observer, ADA)
    procedure.finish()
    before = len(observer.made)
    procedure.run_step("read_the_policies")
    assert observer.made[before:] == [("postgres", "policies"), ("supabase", "policies")]
