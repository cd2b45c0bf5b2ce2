"""Observations are written down as they are made, line by line, redacted, and read back the same."""

import os
import threading
from pathlib import Path

import pytest

from runbook_lib.artifact.record import INLINE_MAX_BYTES, FileRecorder, read_looks, read_observations
from runbook_lib.core.errors import ArtifactError
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.redact import Redactor


def observation(number: int = 1, value: object = None, **more: object) -> Observation:
    fields = {
        "id": f"web.lamp-{number}",
        "source": "web",
        "call": "lamp",
        "arguments": {"n": number},
        "nth": 1,
        "status": Status.ok,
        "value": value,
        "why": "",
        "help": "",
        "at": "2026-11-23T08:00:00.000Z",
        "elapsed_ms": 1.5,
    }
    return Observation(**{**fields, **more})


VALUES = [
    None,
    0,
    "",
    "a\nb\u2028c",
    [],
    {"a": [1, {"b": None}]},
    {"payload": "payloads/x.json"},
    {"payload": "../../etc/passwd"},
    "é" * 10,
]


@pytest.mark.parametrize("value", [*VALUES, "x" * INLINE_MAX_BYTES, {"rows": ["é" * 100] * 3000}])
def test_what_was_kept_is_read_back(tmp_path: Path, value: object) -> None:
    FileRecorder(tmp_path, Redactor()).keep(observation(value=value))
    if value == {"payload": "payloads/x.json"}:
        with pytest.raises(
            ArtifactError
        ):  # only a forger writes this; a source's own value of this form is not worth a format
            read_observations(tmp_path)
        return
    assert read_observations(tmp_path) == [observation(value=value)]


def test_a_large_value_lies_beside_and_is_not_needed_to_list_the_looks(tmp_path: Path) -> None:
    FileRecorder(tmp_path, Redactor()).keep(observation(value="x" * INLINE_MAX_BYTES))
    (payload,) = (tmp_path / "payloads").iterdir()
    assert (tmp_path / "observations.jsonl").stat().st_size < 1000
    payload.unlink()
    assert [look.id for look in read_looks(tmp_path)] == ["web.lamp-1"]
    with pytest.raises(ArtifactError, match="line 1"):
        read_observations(tmp_path)


def test_threads_never_mix_their_lines(tmp_path: Path) -> None:
    recorder = FileRecorder(tmp_path, Redactor())

    def many(start: int) -> None:
        for number in range(start, start + 50):
            recorder.keep(observation(number, "y" * 20_000))

    threads = [threading.Thread(target=many, args=(start * 50,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.arguments["n"] for each in read_observations(tmp_path)) == list(range(400))


def test_secrets_are_masked_where_the_bytes_are_written(tmp_path: Path) -> None:
    recorder = FileRecorder(tmp_path, Redactor(["known-secret-value"]))
    recorder.keep(observation(1, {"a": "known-secret-value", "b": "sk_live_abcdefghijkl"}))
    recorder.keep(observation(2, ["known-secret-value" * 20_000]))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"known-secret-value" not in written
    assert b"sk_live_abcdefghijkl" not in written


def test_a_line_that_does_not_fit_leaves_the_record_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = FileRecorder(tmp_path, Redactor())
    recorder.keep(observation(1))
    write, calls = os.write, []

    def small_disk(handle: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(handle, bytes(data)[:10])

    monkeypatch.setattr(os, "write", small_disk)
    with pytest.raises(OSError, match="No space"):
        recorder.keep(observation(2))
    monkeypatch.undo()
    recorder.keep(observation(3))
    assert [each.arguments["n"] for each in read_observations(tmp_path)] == [1, 3]


@pytest.mark.parametrize("line", ["{", "[]", '"x"', '{"id": 1}', "\xff\xfe"])
def test_a_spoilt_line_is_an_artifact_error_with_its_number(tmp_path: Path, line: str) -> None:
    FileRecorder(tmp_path, Redactor()).keep(observation())
    with (tmp_path / "observations.jsonl").open("ab") as stream:
        stream.write(line.encode("latin-1") + b"\n")
    with pytest.raises(ArtifactError, match="line 2"):
        read_observations(tmp_path)


def test_a_record_that_is_missing_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        read_observations(tmp_path)
