"""A job is a process of its own: one that heeds nothing is killed in the end, and costs only itself."""

import sys
from pathlib import Path

import pytest

from runbook_lib.run.audits import work
from runbook_lib.run.audits.file import Audit
from runbook_lib.run.audits.jobs import Job, Plan
from runbook_lib.run.home import Home

DEAF = """
import json, signal, sys, time
if "02_deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
if "03_mute" in sys.argv:
    sys.exit("it broke before it could say anything")
print(json.dumps({"status": "ruled_out", "causes": [], "also": [], "states": [], "blind": [], "exit_code": 0}))
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    jobs = tuple(Job(procedure, "live") for procedure in ("01_fine", "02_deaf", "03_mute"))
    return Plan("nightly", Audit(deadline_s=1), jobs, Home(tmp_path, tmp_path / "outputs"))


@pytest.mark.slow
def test_what_heeds_nothing_is_killed_and_what_breaks_is_told(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_OVERTIME_S", 3.0)
    monkeypatch.setattr(work, "_GRACE_S", 0.2)
    told: list[str] = []
    record = work.run_audit(
        plan, lambda job, result: told.append(job.procedure) if result else None, command=[sys.executable, "-c", DEAF]
    )
    fine, deaf, mute = record.results
    assert (fine.status, fine.exit_code) == ("ruled_out", 0)
    assert (deaf.status, deaf.exit_code) == (None, 5)
    assert "did not end within 4 s" in deaf.why
    assert (mute.status, mute.exit_code) == (None, 1)
    assert mute.why == "it broke before it could say anything"
    assert sorted(told) == ["01_fine", "02_deaf", "03_mute"]
