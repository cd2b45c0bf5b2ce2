"""What changed before the trouble: told by the lists of what changes, and by nothing else."""

from datetime import timedelta

from support.deployments import ago, deployment, variable
from support.evidence import look, row

from runbook_lib.core.clock import Window, from_iso
from runbook_lib.reading.changes import changes_of

WINDOW = Window(from_iso(ago(hours=1)), from_iso(ago(hours=1)) + timedelta(hours=1))


def test_deployments_and_variables_of_the_two_hours_before_are_changes_the_newest_first() -> None:
    seen = [
        look("vercel", "deployments", [deployment("dpl_1", ago(hours=2)), deployment("dpl_0", ago(hours=9))]),
        look("vercel", "env_changes", [variable("LOG_LEVEL", updated_at=ago(minutes=90))]),
    ]
    assert [change.what for change in changes_of(seen, WINDOW)] == [
        "api variable LOG_LEVEL changed",
        f"api deployed {str(deployment('dpl_1', ago(hours=2))['commit'])[:9]} Change",
    ]


def test_a_request_is_no_change() -> None:
    assert changes_of([look("vercel", "request_log", [row("api", at=ago(minutes=30))])], WINDOW) == ()
