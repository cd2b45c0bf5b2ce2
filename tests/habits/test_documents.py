"""Facts are typed once: what README.md and docs/ say of the code is generated from it, and current."""

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("documents_generator", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_generated_document_is_current(generator: ModuleType) -> None:
    stale = [path for path, text in generator.documents().items() if (ROOT / path).read_text("utf-8") != text]
    assert stale == [], "run `make docs`"


def test_every_relative_link_leads_somewhere() -> None:
    broken = []
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_no_tracked_file_names_a_place_of_one_machine() -> None:
    tracked = (
        subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    )
    wrong = [
        name
        for name in tracked
        if name
        and (ROOT / name).is_file()
        and b"/root/" in (ROOT / name).read_bytes()
        and not name.startswith("tests/habits")
    ]
    assert wrong == []
