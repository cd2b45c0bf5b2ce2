"""What an OSError means in words: what failed, where, and what to do about it. "The disk" is said of disks alone."""

import errno

from runbook_lib.core.errors import RunbookError

_DISK = "free some space on it, or choose another folder with --outputs"
_DO_NEXT = {
    errno.ENOSPC: f"The disk is full: {_DISK}.",
    errno.EDQUOT: f"This user's share of the disk is used up: {_DISK}.",
    errno.EFBIG: "A file may not become so large here: raise the limit (ulimit -f), or choose another folder with --outputs.",
    errno.EROFS: "The disk is mounted read-only: choose another folder with --outputs.",
    errno.EIO: "The disk or the device fails: choose another folder with --outputs.",
    errno.EMFILE: "This process has too many open files: raise the limit (ulimit -n), and see what leaves them open.",
    errno.ENFILE: "This machine has too many open files: end what leaves them open.",
    errno.ENOMEM: "There is no memory left: end what uses it, or run where there is more.",
    errno.EAGAIN: "No more processes or threads may be started: raise the limit (ulimit -u), or end what runs.",
    errno.EPIPE: "Whoever read what was written has gone.",
    errno.EACCES: "Give this user the permission, or choose another folder with --outputs.",
    errno.EPERM: "Give this user the permission, or choose another folder with --outputs.",
    errno.ENAMETOOLONG: "Choose a folder with a shorter path.",
    errno.ENOENT: "See that it is there; another process may have removed it.",
}


def what_failed(error: OSError) -> str:
    """The system's own words with the file they are about: `No space left on device (report.html)`."""
    words = error.strerror or str(error) or type(error).__name__
    return f"{words} ({error.filename})" if error.filename else words


def do_next_after(error: OSError) -> str:
    """What to do about it; empty where nothing is known of this error."""
    return _DO_NEXT.get(error.errno or 0, "")


def as_runbook_error(error: OSError, tried: str = "The operating system refused") -> RunbookError:
    """The same as an error of ours (exit 5)."""
    words = error.strerror or str(error) or type(error).__name__
    return RunbookError(tried, where=str(error.filename or ""), came_back=words, do_next=do_next_after(error))
