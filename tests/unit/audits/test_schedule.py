"""The units that run an audit on time: each parses as what it says it is."""

import configparser
from pathlib import Path

import pytest
import yaml

from runbook_lib.core.errors import UsageError
from runbook_lib.run.audits.file import Audit
from runbook_lib.run.audits.schedule import KINDS, unit_text

ROOT = Path("/srv/run book 100%")
NIGHTLY = Audit(when="17 2 * * 1-5")


def test_crons_line_runs_the_audit_in_the_checkout() -> None:
    lines = unit_text("cron", "nightly", NIGHTLY, ROOT).splitlines()
    assert lines[-2] == "CRON_TZ=UTC"
    assert lines[-1] == r"17 2 * * 1-5 cd '/srv/run book 100\%' && .venv/bin/runbook audit --name nightly"


def test_systemds_units_hold_service_and_timer() -> None:
    text = unit_text("systemd", "nightly", NIGHTLY, ROOT)
    service, timer = text.split("# /etc/systemd/system/runbook-audit-nightly.timer")
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(service)
    assert parsed["Service"]["ExecStart"] == '"/srv/run book 100%%/.venv/bin/runbook" audit --name nightly'
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(timer)
    assert parsed["Timer"]["OnCalendar"] == "Mon,Tue,Wed,Thu,Fri *-*-* 2:17:00 UTC"


def test_githubs_workflow_audits_and_keeps_the_artifacts_whatever_came_of_it() -> None:
    workflow = yaml.safe_load(unit_text("github", "nightly", NIGHTLY, ROOT))
    assert workflow[True]["schedule"] == [{"cron": "17 2 * * 1-5"}]  # YAML 1.1 reads the key `on` as true
    job = workflow["jobs"]["audit"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert any("runbook audit --name nightly" in command for command in commands)
    upload = next(step for step in job["steps"] if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"
    assert job["env"]["STRIPE_WEBHOOK_SECRET"] == "${{ secrets.STRIPE_WEBHOOK_SECRET }}"
    assert job["env"]["RUNBOOK_VERCEL_TEAM_ID"] == "${{ vars.RUNBOOK_VERCEL_TEAM_ID }}"


@pytest.mark.parametrize("kind", KINDS)
def test_an_audit_without_a_time_is_nightly(kind: str) -> None:
    assert unit_text(kind, "nightly", Audit(), ROOT)


def test_what_a_kind_cannot_say_is_refused() -> None:
    with pytest.raises(UsageError, match="systemd cannot express"):
        unit_text("systemd", "nightly", Audit(when="0 0 1 * 1"), ROOT)
    with pytest.raises(UsageError, match="cron, systemd, github"):
        unit_text("airflow", "nightly", NIGHTLY, ROOT)
