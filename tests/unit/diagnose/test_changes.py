"""What is told as a change before the trouble, and what is none."""

from support.deployments import NOW, ago, answered, check, deployment, request_row, variables
from support.gateway_sites import machine

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Change
from runbook_lib.reading.changes import changes_of

BEFORE = Window(NOW, NOW)


def test_deployments_variables_and_machines_are_told_newest_first() -> None:
    looks = [
        answered("vercel", "recent", [deployment("dpl_new", ago(minutes=50)), deployment("dpl_old", ago(hours=3))]),
        answered("vercel", "env_changes", [{**row, "updated_at": ago(minutes=9)} for row in variables("web")[:1]]),
        answered("fly", "machine_states", [machine("m1", updated_at=ago(minutes=20))]),
    ]
    assert changes_of(looks, BEFORE) == (
        Change(ago(minutes=9), "web variable NEXT_PUBLIC_SUPABASE_URL changed", "vercel"),
        Change(ago(minutes=20), "gateway machine m1 is started", "fly"),
        Change(ago(minutes=50), "api deployed bbbbbbbbb Change", "dpl_new.vercel.app"),
    )


def test_requests_pull_requests_and_checks_change_nothing() -> None:
    pull = {"number": 1, "title": "", "branch": "b", "commit": "c", "at": ago(minutes=5), "url": None, "draft": False}
    looks = [
        answered("vercel", "request_log", [request_row(1)]),
        answered("github", "pulls", [{**pull, "fork": False}]),
        answered("github", "checks", [check("lint")]),
    ]
    assert changes_of(looks, BEFORE) == ()
