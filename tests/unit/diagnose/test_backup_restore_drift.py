"""08 on the schema: what the database has and the repository's SQL does not make, and the reverse."""

from support.evidence import look
from support.recovery_evidence import difference, drift, verdict
from support.verdicts import codes

from runbook_lib.core.model import Status


def test_drift_is_named_by_which_side_lacks_it() -> None:
    rows = (
        difference("table", "public.new"),
        difference("column", "public.new.id"),
        difference("index", "public.t.i", "added"),
        difference("policy", "public.t.p", "differs"),
    )
    conclusion = verdict(drift=drift(*rows))
    assert codes(conclusion) == ["schema.drift.not_applied", "schema.drift.only_in_database", "schema.drift.differs"]
    assert "public.new.id" not in conclusion.causes[0].summary, "a table's columns go without saying"


def test_files_that_failed_to_run_say_nothing_of_drift() -> None:
    conclusion = verdict(drift=drift(difference("table", "public.new"), status=Status.partial))
    assert str(conclusion.status) == "could_not_tell"


UNNAMED = look("schema", "drift", None, Status.not_configured, path="")


def test_a_repository_that_nobody_named_leaves_the_answer_open() -> None:
    conclusion = verdict(drift=UNNAMED, not_used=look("team", "not_used", ["dumps"]))
    assert str(conclusion.status) == "could_not_tell"
    assert "schema" in [each.source for each in conclusion.not_seen]
    assert [each.code for each in conclusion.suspects] == ["schema.drift"]


def test_a_repository_that_the_team_says_it_does_not_have_is_not_missed() -> None:
    conclusion = verdict(drift=UNNAMED)
    assert str(conclusion.status) == "ruled_out"
    assert "schema" not in [each.source for each in conclusion.not_seen]
    assert [str(each.state) for each in conclusion.coverage if each.code == "schema.drift"] == ["not_applicable"]


def test_a_repository_that_this_run_was_given_is_asked_whatever_the_team_says() -> None:
    named = verdict(drift=look("schema", "drift", None, Status.not_configured, path="sql"))
    assert str(named.status) == "could_not_tell"
