"""Work within a look: programs that end with it, files that never look whole before they are, progress that is redacted."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.io.http import Deadline
from runbook_lib.io.observe import Door, Look, Observer
from runbook_lib.io.programs import Programs
from runbook_lib.io.workspace import append_line, private_folder, write_then_rename
from runbook_lib.settings import Settings


def programs(seconds: float = 30.0, ended: threading.Event | None = None) -> Programs:
    return Programs(Deadline(seconds), ended or threading.Event())


def observed(
    fetch: Callable[[Door], Answer], *, seconds: float = 30.0, tell: Callable[[str], None] = print, **settings: str
):
    observer = Observer(now=datetime.now(UTC), settings=Settings.from_mapping(settings))
    observer.tell = tell
    return observer.together(Look("restore", "work", {}, fetch, seconds, is_work=True))[0]


def test_a_program_tells_its_code_its_words_and_what_it_printed() -> None:
    ran = programs().run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (ran.code, ran.said, ran.printed) == (3, "err\n", "out\n")


def test_a_program_sees_what_it_is_given_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_never_to_be_seen")
    ran = programs().run(["/usr/bin/env"], variables={"PGPASSWORD": "given"})
    assert "PGPASSWORD=given" in ran.printed
    assert "STRIPE" not in ran.printed


def test_a_program_that_is_not_there_says_which_setting_names_its_folder(tmp_path: Path) -> None:
    with pytest.raises(LookError, match="was not found") as caught:
        programs().find("pg_dump", str(tmp_path), setting="RUNBOOK_PG_BIN")
    assert (caught.value.status, "RUNBOOK_PG_BIN" in caught.value.do_next) == (Status.not_configured, True)


@pytest.mark.slow
def test_a_program_that_prints_without_end_is_malformed() -> None:
    with pytest.raises(LookError, match="does not end") as caught:
        programs(30).run(["/bin/sh", "-c", "while :; do head -c 8000000 /dev/zero; done"])
    assert caught.value.status == Status.malformed


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in ("/dev/zero", tmp_path / "fifo", tmp_path):
        with pytest.raises(LookError, match="no plain file") as caught:
            Door(Settings.empty(), Deadline(5)).read_text(path)
        assert caught.value.status == Status.malformed


@pytest.mark.slow
def test_a_program_over_its_time_is_ended_with_what_it_started() -> None:
    begun = time.monotonic()
    with pytest.raises(LookError) as caught:
        programs(0.3).run(
            [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]
        )
    assert caught.value.status == Status.timed_out
    assert time.monotonic() - begun < 20


def test_a_look_that_is_given_up_ends_its_programs() -> None:
    ended = threading.Event()
    threading.Timer(0.3, ended.set).start()
    with pytest.raises(LookError, match="given up"):
        programs(60, ended).run(["/bin/sleep", "60"])


def test_a_file_takes_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    wanted = tmp_path / "kept" / "night.dump"
    with contextlib.suppress(RuntimeError), write_then_rename(wanted) as draft:
        draft.write_bytes(b"half")
        assert [path.name for path in wanted.parent.iterdir()] == ["night.dump.partial"]
        raise RuntimeError
    assert list(wanted.parent.iterdir()) == []
    with write_then_rename(wanted) as draft:
        draft.write_bytes(b"whole")
    assert [(path.name, path.read_bytes()) for path in wanted.parent.iterdir()] == [("night.dump", b"whole")]
    assert wanted.stat().st_mode & 0o077 == 0


def test_a_private_folder_is_gone_whatever_ended_it(tmp_path: Path) -> None:
    with contextlib.suppress(RuntimeError), private_folder(str(tmp_path), setting="X") as folder:
        (folder / "x").write_text("x")
        assert folder.stat().st_mode & 0o077 == 0
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LookError, match="no folder can be made"), private_folder(str(tmp_path / "no"), setting="X"):
        pass


def test_lines_are_added_one_by_one(tmp_path: Path) -> None:
    for line in ("one", "two\n"):
        append_line(tmp_path / "new" / "ledger", line)
    assert (tmp_path / "new" / "ledger").read_text() == "one\ntwo\n"


def test_work_is_not_cut_by_the_setting_for_looks_and_says_itself_how_far_it_got() -> None:
    def slow(door: Door) -> Answer:
        door.programs.pause(0.4)
        return Answer(Status.ok, 1)

    def endless(door: Door) -> Answer:
        try:
            door.programs.pause(60)
        except LookError as error:
            raise LookError(Status.timed_out, "it had come half the way") from error
        return Answer(Status.ok, 1)

    assert observed(slow, RUNBOOK_LOOK_DEADLINE_S="0.1").status == Status.ok
    over = observed(endless, seconds=0.3)
    assert (over.status, over.why) == (Status.timed_out, "it had come half the way")


def test_progress_is_told_without_secrets_and_a_display_that_fails_costs_nothing() -> None:
    told: list[str] = []

    def work(door: Door) -> Answer:
        door.tell("12 MB of sk_live_abcdefgh12345678")
        return Answer(Status.ok, 1)

    def broken(_: str) -> None:
        raise OSError("no display")

    observed(work, tell=told.append)
    assert told == ["restore work: 12 MB of <redacted>"]
    assert observed(work, tell=broken).status == Status.ok


def test_a_programs_children_die_with_the_kernel_that_started_it() -> None:
    """They carry the kernel's mark, by which `end_marked` finds them."""
    script = (
        "import threading; from runbook_lib.io.http import Deadline; from runbook_lib.io.programs import Programs;"
        " print(Programs(Deadline(9), threading.Event()).run(['/usr/bin/env']).printed)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"RUNBOOK_KERNEL": "abc", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "RUNBOOK_KERNEL=abc" in done.stdout
