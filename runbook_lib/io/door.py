"""What a fetch gets to reach the world with, each of it under the look's deadline; `observe` makes one for each look."""

import hmac
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status
from runbook_lib.core.permissions import Permitted
from runbook_lib.io.clusters import Clusters
from runbook_lib.io.databases import Databases
from runbook_lib.io.http import Deadline, Http
from runbook_lib.io.machine import Machine, changed_at
from runbook_lib.io.programs import Programs
from runbook_lib.io.room import Share
from runbook_lib.io.sql import Sql
from runbook_lib.settings import Settings


class Door:
    """What a fetch may use: settings, HTTP, SQL, programs, this machine, the real clock, files, all under the look's deadline.

    Attributes:
        share: what the look holds of the run's memory.
        ended: set when nobody waits for the look any more; what it started is then ended.
        tell: shows one line on how long work gets on; it is no part of what is recorded.
    """

    def __init__(
        self,
        settings: Settings,
        deadline: Deadline,
        salt: bytes = b"",
        tell: Callable[[str], None] = lambda _: None,
        share: Share | None = None,
        permitted: Permitted | None = None,
        marks: bool = False,
    ) -> None:
        self.settings = settings
        self.deadline = deadline
        self.tell = tell
        self.share = share or Share()
        self._permitted, self._marks = permitted, marks
        self.ended = threading.Event()
        self._salt = salt

    def fingerprint(self, value: str) -> str:
        """What tells within one run whether two values are the same, and tells nothing else: the salt is never kept."""
        return hmac.new(self._salt, value.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:12]

    @property
    def http(self) -> Http:
        """An HTTP client that keeps this look's deadline."""
        return Http(
            self.deadline,
            self.share,
            partial(self._permitted.check_request, marks=self._marks) if self._permitted else None,
        )

    @property
    def sql(self) -> Sql:
        """Read-only SQL that keeps this look's deadline."""
        return Sql(self.deadline, self.share)

    @property
    def machine(self) -> Machine:
        """This machine's processes, ports and commands, under this look's deadline."""
        return Machine(self.deadline)

    @property
    def databases(self) -> Databases:
        """Sessions that outlast one statement, for work in a scratch database."""
        return Databases(self.deadline, self.ended)

    @property
    def clusters(self) -> Clusters:
        """PostgreSQL servers of this look's own."""
        return Clusters(self.programs, self.databases)

    @property
    def programs(self) -> Programs:
        """Other programs, which end with this look."""
        may = None
        if self._permitted is not None:
            may = partial(self._permitted.check_program, setting=lambda name: getattr(self.settings, name, None))
        return Programs(self.deadline, self.ended, may)

    def clock(self) -> datetime:
        """The present moment by this machine's clock, aware UTC."""
        return datetime.now(UTC)

    def read_text(self, path: str | Path, *, max_bytes: int = 64 * 1024 * 1024) -> str:
        """A local file's text. Raises LookError: not_found, denied, malformed (too large or not UTF-8)."""
        file = Path(path).expanduser()
        try:
            if not stat.S_ISREG(file.stat().st_mode):
                raise LookError(Status.malformed, "it is no plain file, and might never end", where=str(file))
            with file.open("rb") as opened:
                content = opened.read(max_bytes + 1)
            if len(content) > max_bytes:
                raise LookError(Status.malformed, f"the file is larger than {max_bytes} bytes", where=str(file))
            self.share.take(len(content))
            return content.decode()
        except FileNotFoundError as error:
            raise LookError(Status.not_found, "no such file", where=str(file)) from error
        except PermissionError as error:
            raise LookError(Status.denied, "this user may not read the file", where=str(file)) from error
        except (UnicodeDecodeError, OSError) as error:
            raise LookError(Status.malformed, f"cannot be read as text: {error}", where=str(file)) from error

    def changed_at(self, path: str | Path) -> datetime | None:
        """When a local file was last changed, aware UTC; None where that cannot be told."""
        return changed_at(str(path))
