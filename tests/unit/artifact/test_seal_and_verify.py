"""A sealed artifact proves itself: any byte changed, missing or added is found and named."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_lib.artifact.seal import SealedArtifact, seal
from runbook_lib.artifact.verify import verify
from runbook_lib.core.errors import ArtifactError, UsageError

FILES = ["notebook.ipynb", "observations.jsonl", "payloads/abc.json", "report.html", "run.json", "verdict.json"]


@pytest.fixture
def sealed(tmp_path: Path) -> SealedArtifact:
    partial = tmp_path / "20261123T085400.123Z-7f3a.partial"
    (partial / "payloads").mkdir(parents=True)
    for number, name in enumerate(FILES):
        (partial / name).write_bytes(f"content {number} of {name}\n".encode() * 3)
    return seal(partial, {"run": "20261123T085400.123Z-7f3a", "who": {"user": "me"}})


def test_it_is_renamed_into_place_and_intact(sealed: SealedArtifact) -> None:
    assert sealed.folder.name == "20261123T085400.123Z-7f3a"
    assert not sealed.folder.with_name(sealed.folder.name + ".partial").exists()
    found = verify(sealed.folder, sealed.manifest_sha256)
    assert found.intact
    manifest = json.loads((sealed.folder / "manifest.json").read_text())
    assert sorted(manifest["files"]) == FILES
    assert manifest["who"] == {"user": "me"}


def test_the_seal_is_what_sha256sum_reads(sealed: SealedArtifact) -> None:
    assert (sealed.folder / "manifest.sha256").read_text() == f"{sealed.manifest_sha256}  manifest.json\n"


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_flipped_byte_of_any_file_is_found(sealed: SealedArtifact, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*FILES, "manifest.json", "manifest.sha256"]))
    path = sealed.folder / name
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    flipped = bytearray(before)
    flipped[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(flipped)
    try:
        found = verify(sealed.folder)
        assert not found.intact
        assert name in (*found.changed, *found.missing)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", [*FILES, "manifest.json", "manifest.sha256"])
def test_a_missing_file_is_named(sealed: SealedArtifact, name: str) -> None:
    (sealed.folder / name).unlink()
    found = verify(sealed.folder)
    assert name in found.missing
    assert not found.intact


@pytest.mark.parametrize("name", ["note.txt", "payloads/more.json", ".hidden", "deep/er/file"])
def test_an_added_file_is_named(sealed: SealedArtifact, name: str) -> None:
    path = sealed.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert verify(sealed.folder).added == (name,)


def test_an_added_empty_folder_is_named(sealed: SealedArtifact) -> None:
    (sealed.folder / "empty").mkdir()
    assert verify(sealed.folder).added == ("empty/",)


@pytest.mark.parametrize("name", FILES)
def test_a_byte_at_the_end_or_an_emptied_file_is_found(sealed: SealedArtifact, name: str) -> None:
    path = sealed.folder / name
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    assert verify(sealed.folder).changed == (name,)
    path.write_bytes(b"")
    assert verify(sealed.folder).changed == (name,)


def test_a_file_replaced_by_a_link_to_the_same_bytes_is_changed(sealed: SealedArtifact, tmp_path: Path) -> None:
    path = sealed.folder / "report.html"
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert verify(sealed.folder).changed == ("report.html",)


def test_whoever_seals_anew_is_found_out_by_the_printed_value(sealed: SealedArtifact, tmp_path: Path) -> None:
    forged = tmp_path / "forged.partial"
    shutil.copytree(sealed.folder, forged)
    (forged / "verdict.json").write_text("{}")
    for name in ("manifest.json", "manifest.sha256"):
        (forged / name).unlink()
    again = seal(forged, {})
    assert verify(again.folder).intact
    assert verify(again.folder, sealed.manifest_sha256).changed == ("manifest.json",)


@pytest.mark.parametrize(
    "manifest",
    ["", "[]", "{}", '{"schema": 1, "files": {"../../etc/passwd": {"sha256": "x"}}}', '{"schema": 2, "files": {}}'],
)
def test_a_manifest_that_is_none_is_changed_and_no_traceback(sealed: SealedArtifact, manifest: str) -> None:
    (sealed.folder / "manifest.json").write_text(manifest)
    assert "manifest.json" in verify(sealed.folder).changed


def test_what_is_no_artifact_is_wrong_use(tmp_path: Path) -> None:
    partial = tmp_path / "x.partial"
    partial.mkdir()
    for path in (tmp_path / "nowhere", tmp_path, partial):
        with pytest.raises(UsageError):
            verify(path)


def test_an_expected_value_that_is_no_hash_is_wrong_use(sealed: SealedArtifact) -> None:
    with pytest.raises(UsageError, match="SHA-256"):
        verify(sealed.folder, "abc")


def test_nothing_is_sealed_over_an_artifact_that_exists(sealed: SealedArtifact) -> None:
    partial = sealed.folder.with_name(sealed.folder.name + ".partial")
    partial.mkdir()
    with pytest.raises(ArtifactError, match="there already"):
        seal(partial, {})
    assert verify(sealed.folder).intact
