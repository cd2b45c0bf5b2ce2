"""The team's audit file: read whole, refused with the place and the nearest right word."""

from datetime import date
from pathlib import Path

import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.run.audits.file import Mute, find_audit, read_audit_file
from runbook_lib.run.home import CHECKOUT

MUTE = '[[muted]]\nfingerprint = "0123456789abcdef"\nuntil = 2026-12-31\nreason = "known"\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "audits.toml"
    path.write_text(text)
    return path


def test_the_committed_example_is_one() -> None:
    audit = read_audit_file(CHECKOUT / "audits.toml").audits["nightly"]
    assert audit.doctor
    assert audit.since_last
    assert audit.when


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    audit = read_audit_file(written(tmp_path, "[audits.weekly]\n")).audits["weekly"]
    assert (audit.procedures, audit.targets, audit.keep_days, audit.since_last) == ([], [], None, False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[audits.a]\nprocedure = ['01']\n", "audits.a.procedure: no such key; did you mean procedures?"),
        ("[audit.a]\n", "audit: no such key; did you mean audits?"),
        ("[audits.a]\nprocedures = '01'\n", "audits.a.procedures"),
        ("[audits.a]\ndeadline_s = 0\n", "audits.a.deadline_s"),
        ("[audits.a]\nkeep_days = 'x'\n", "audits.a.keep_days"),
        ("[audits.a]\nwhen = '61 * * * *'\n", "minute"),
        ("[audits.'../x']\n", "audits"),
        ("[[muted]]\nfingerprint = '0123456789abcdef'\nuntil = 2026-12-31\n", "muted.0.reason"),
        (MUTE.replace('"known"', '" "'), "muted.0.reason"),
        (MUTE.replace("0123456789abcdef", "xyz"), "muted.0.fingerprint"),
        (MUTE.replace("2026-12-31", "'soon'"), "muted.0.until"),
        (MUTE + "untill = 2027-01-01\n", "did you mean until?"),
        ("[audits.a\n", "TOMLDecodeError"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_audit_file(written(tmp_path, text))
    assert problem in str(refused.value)
    assert "audits.toml" in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no audit file"):
        read_audit_file(tmp_path / "audits.toml")


def test_an_unknown_audit_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, "[audits.nightly]\n[audits.weekly]\n")
    with pytest.raises(UsageError, match="Did you mean nightly"):
        find_audit(path, read_audit_file(path), "nigthly")


def test_a_mute_ends_with_its_last_day_and_may_be_of_one_target() -> None:
    mute = Mute(fingerprint="0123456789abcdef", until=date(2026, 12, 31), reason="known", target="live")
    assert mute.applies("0123456789abcdef", "live", date(2026, 12, 31))
    assert not mute.applies("0123456789abcdef", "live", date(2027, 1, 1))
    assert not mute.applies("0123456789abcdef", "staging", date(2026, 12, 1))
    assert not mute.applies("fedcba9876543210", "live", date(2026, 12, 1))
