"""An OSError in words: what failed, where, what to do; the disk is blamed for disks alone."""

import errno
import os

import pytest

from runbook_lib.core.os_errors import as_runbook_error, what_failed


@pytest.mark.parametrize(
    ("number", "words", "advice"),
    [
        (errno.ENOSPC, "No space left on device", "disk is full"),
        (errno.EROFS, "Read-only file system", "read-only"),
        (errno.EMFILE, "Too many open files", "ulimit -n"),
        (errno.EPIPE, "Broken pipe", "gone"),
        (errno.EACCES, "Permission denied", "permission"),
        (errno.ENOMEM, "Cannot allocate memory", "memory"),
    ],
)
def test_each_says_what_failed_and_what_to_do(number: int, words: str, advice: str) -> None:
    error = OSError(number, os.strerror(number), "/somewhere/report.html")
    assert what_failed(error) == f"{words} (/somewhere/report.html)"
    told = as_runbook_error(error)
    assert (told.where, told.came_back, told.exit_code) == ("/somewhere/report.html", words, 5)
    assert advice in told.do_next
    assert ("disk" in told.do_next) == (number in (errno.ENOSPC, errno.EROFS))


def test_one_without_number_or_file_still_says_something() -> None:
    assert what_failed(OSError("cut off")) == "cut off"
    assert str(as_runbook_error(OSError("cut off"))) == "The operating system refused: cut off"
