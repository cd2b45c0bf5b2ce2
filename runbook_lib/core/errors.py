"""Every error the runbook raises, in one family.

RunbookError                 anything that stops the runbook; never a substitute for an observation's status
├── UsageError               wrong use: unknown procedure, bad parameter, bad window, unsafe name (exit 2)
│   └── ConfigError          a setting is missing, malformed or contradicts another
├── ArtifactError            a folder that is no artifact, or one that cannot be written or read
├── NotebookError            the notebook or its kernel broke (exit 5)
├── SandboxError             the sandbox could not be started, broken, healed or stopped
└── LookError                raised inside a look only; the observer turns it into the status it carries

A message has four parts: what was tried, where, what came back, what to do next. The first line stands alone.
"""

from typing import Any


class RunbookError(Exception):
    """What was tried, where, what came back and what to do next; survives pickling and turns into a dict."""

    exit_code = 5

    def __init__(self, tried: str, *, where: str = "", came_back: str = "", do_next: str = "") -> None:
        self.tried = tried
        self.where = where
        self.came_back = came_back
        self.do_next = do_next
        super().__init__(tried)

    def __str__(self) -> str:
        head = f"{self.tried} ({self.where})" if self.where else self.tried
        if self.came_back:
            head = f"{head}: {self.came_back}"
        if self.do_next:
            head = f"{head.rstrip('.')}. {self.do_next}"
        return head

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.tried, self.where, self.came_back, self.do_next)

    def as_dict(self) -> dict[str, str]:
        """The four parts and the error's name, for `--json` and for the artifact."""
        return {
            "error": type(self).__name__,
            "tried": self.tried,
            "where": self.where,
            "came_back": self.came_back,
            "do_next": self.do_next,
        }


def _rebuild(kind: type[RunbookError], tried: str, where: str, came_back: str, do_next: str) -> RunbookError:
    """Unpickle an error with its four parts."""
    return kind(tried, where=where, came_back=came_back, do_next=do_next)


class UsageError(RunbookError):
    """The caller asked for something that cannot be: nothing ran, exit 2."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is missing, malformed, or contradicts another one."""


class ArtifactError(RunbookError):
    """A folder is no artifact, or an artifact cannot be written or read."""


class NotebookError(RunbookError):
    """The notebook or its kernel broke: a dead kernel, an uncaught exception, a cell over its time."""


class SandboxError(RunbookError):
    """The sandbox could not be started, broken, healed or stopped."""


class LookError(RunbookError):
    """Inside a look: the answer has a status other than ok. The observer catches it; it never leaves a look.

    `status` is the value of a model.Status; kept as text so that this module stays free of imports.
    """

    def __init__(self, status: str, why: str, *, where: str = "", came_back: str = "", do_next: str = "") -> None:
        super().__init__(why, where=where, came_back=came_back, do_next=do_next)
        self.status = str(status)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_look, (self.status, self.tried, self.where, self.came_back, self.do_next)


def _rebuild_look(status: str, why: str, where: str, came_back: str, do_next: str) -> LookError:
    """Unpickle a LookError."""
    return LookError(status, why, where=where, came_back=came_back, do_next=do_next)
