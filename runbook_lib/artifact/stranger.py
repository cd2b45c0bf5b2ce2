"""Reads a folder that a stranger may have made: plain files only, nothing outside of it, and everything bounded before it is read.

What is said of a fault names the file and what is wrong with it; a FIFO is never opened to be waited for, a link never followed.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import orjson

from runbook_lib.artifact.files import MANIFEST, RESTORE, SEAL, VERDICT
from runbook_lib.core.errors import ArtifactError
from runbook_lib.core.model import Json

MIB = 1 << 20
MOST_ENTRIES = 20_000  # files and folders of one artifact; a large run has some hundred
MOST_BYTES = 2048 * MIB  # of all files of one artifact together
DEEPEST_FOLDER = 8
# What one operation takes into memory. A value of JSON may take fifty times its bytes, so values are counted as well.
_READ_BYTES = 512 * MIB
_READ_VALUES = 10_000_000
_MOST_OF = {MANIFEST: 16 * MIB, SEAL: 4096, "run.json": 4 * MIB, VERDICT: 32 * MIB, "facts.json": 64 * MIB}
_MOST_OF_ANY = 256 * MIB
_PIECE = MIB
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
}


class StrangersFolder:
    """One folder, read by one operation: what is read counts against one budget of bytes and of values.

    Args:
        path: the folder; it may itself be reached through a link, for that is the caller's word.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes_left, self._values_left = _READ_BYTES, _READ_VALUES

    def names(self) -> dict[str, str]:
        """Everything in it by its path, sorted: `file`, `link`, or `folder` for one that is empty (its name ends in `/`).

        Raises:
            ArtifactError: a FIFO, a device or a socket, too many entries, too many bytes, folders too deep, or it cannot be listed.
        """
        return dict(sorted(self._walk()))

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises ArtifactError: none there, no plain file, larger than such a file may be, not readable."""
        most = min(_MOST_OF.get(name, _MOST_OF_ANY), self._bytes_left)
        with self._opened(name) as handle:
            size = os.fstat(handle.fileno).st_size
            if size > most:
                raise self._wrong(name, f"it holds {size:,} bytes; at most {most:,} are read of it")
            data = b"".join(handle.pieces(most + 1))
        if len(data) > most:
            raise self._wrong(name, f"it grows while it is read; at most {most:,} bytes are read of it")
        self._bytes_left -= len(data)
        return data

    def json(self, name: str) -> Json:
        """A file's JSON. Raises ArtifactError, also where it is none, too deep or of too many values."""
        return self.parsed(name, self.read(name))

    def parsed(self, name: str, data: bytes) -> Json:
        """The JSON in these bytes, which came from a file of this name. Raises ArtifactError."""
        self._values_left -= data.count(b",") + data.count(b"[") + data.count(b"{") + 1
        if self._values_left < 0:
            raise self._wrong(name, f"more than {_READ_VALUES:,} values; no run records as many")
        try:
            value = orjson.loads(data)
            if data.count(b"[") + data.count(b"{") > 250:
                orjson.dumps(value)  # refuses what is nested deeper than 254, and what is no text
        except (ValueError, TypeError) as error:
            deep = "nested too deeply" if "ecursion" in str(error) or "depth" in str(error) else str(error)
            raise self._wrong(name, f"no JSON that a run writes: {deep}"[:200]) from error
        return value

    def sha256(self, name: str) -> str:
        """The SHA-256 of a file, in hex. Raises ArtifactError."""
        digest, left = hashlib.sha256(), MOST_BYTES
        with self._opened(name) as handle:
            for piece in handle.pieces(MOST_BYTES + 1):
                digest.update(piece)
                left -= len(piece)
        if left < 0:
            raise self._wrong(name, f"it is larger than {MOST_BYTES:,} bytes")
        return digest.hexdigest()

    def _opened(self, name: str) -> "_PlainFile":
        parts = name.split("/")
        if not name or len(parts) > DEEPEST_FOLDER or "\0" in name or any(part in ("", ".", "..") for part in parts):
            raise self._wrong(name, "no name of a file within an artifact")
        try:
            return _PlainFile(self.path, parts)
        except OSError as error:
            why = "a link, which is not followed" if error.errno in _REFUSED_LINKS else error.strerror
            raise self._wrong(name, why or type(error).__name__) from error
        except ValueError as error:
            raise self._wrong(name, str(error)) from error

    def _walk(self) -> Iterator[tuple[str, str]]:
        entries, size, waiting = 0, 0, [("", self.path)]
        while waiting:
            prefix, folder = waiting.pop()
            try:
                found = list(os.scandir(folder))
            except OSError as error:
                raise self._wrong(prefix, error.strerror or type(error).__name__) from error
            entries += len(found)
            if entries > MOST_ENTRIES:
                raise self._wrong("", f"more than {MOST_ENTRIES:,} files and folders; no run leaves as many")
            if prefix and not found:
                yield prefix, "folder"
            for each in found:
                name = prefix + each.name
                kind = stat.S_IFMT(each.stat(follow_symlinks=False).st_mode)
                if kind == stat.S_IFREG:
                    size += each.stat(follow_symlinks=False).st_size
                    if size > MOST_BYTES:
                        raise self._wrong(name, f"with it, the files hold more than {MOST_BYTES:,} bytes")
                    yield name, "file"
                elif kind == stat.S_IFLNK:
                    yield name, "link"
                elif kind == stat.S_IFDIR:
                    if name.count("/") >= DEEPEST_FOLDER:
                        raise self._wrong(name, f"folders more than {DEEPEST_FOLDER} deep; no run leaves such")
                    waiting.append((name + "/", Path(each.path)))
                else:
                    raise self._wrong(name, f"{_KINDS.get(kind, 'no plain file')}, which no artifact has")

    def _wrong(self, name: str, why: str) -> ArtifactError:
        tried = "This folder holds what no artifact has" if "no artifact has" in why else "Cannot read this artifact"
        return ArtifactError(
            tried, where=str(self.path / name), came_back=f"{name}: {why}" if name else why, do_next=RESTORE
        )


_REFUSED_LINKS = (40, 62)  # ELOOP, of Linux and of macOS: O_NOFOLLOW met a link


class _PlainFile:
    """A plain file that is open for reading, reached through folders alone. Raises OSError, ValueError where it is none."""

    def __init__(self, folder: Path, parts: list[str]) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
                os.close(handle)
                handle = inner
            kind = stat.S_IFMT(os.stat(parts[-1], dir_fd=handle, follow_symlinks=False).st_mode)
            if kind != stat.S_IFREG:
                raise ValueError(f"{_KINDS.get(kind, 'no plain file')}, which no artifact has in its place")
            self.fileno = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
        finally:
            os.close(handle)
        if not stat.S_ISREG(os.fstat(self.fileno).st_mode):  # it was exchanged in between
            os.close(self.fileno)
            raise ValueError("no plain file")

    def __enter__(self) -> "_PlainFile":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fileno)

    def pieces(self, most: int) -> Iterator[bytes]:
        """Its bytes, in pieces, until its end or so many."""
        while most > 0 and (piece := os.read(self.fileno, min(_PIECE, most))):
            most -= len(piece)
            yield piece
