"""Two people get the same environment: `make setup` installs what requirements.lock names, and nothing else."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def locked() -> Mapping[str, list[tuple[Requirement, list[str]]]]:
    """By package: each version of it with where it applies, and the hashes of its files."""
    found: dict[str, list[tuple[Requirement, list[str]]]] = {}
    for entry in LOCK.replace("\\\n", " ").splitlines():
        if entry and not entry.lstrip().startswith("#"):
            named, *hashes = re.split(r"\s+--hash=", entry.strip())
            requirement = Requirement(named)
            found.setdefault(canonicalize_name(requirement.name), []).append((requirement, hashes))
    return found


def direct(project: Mapping[str, Any]) -> Iterator[Requirement]:
    """What pyproject.toml itself asks for: to run, to build, and by the extras that `make setup` installs."""
    asked = project["project"]
    for each in (
        *asked["dependencies"],
        *asked["optional-dependencies"]["sandbox"],
        *asked["optional-dependencies"]["dev"],
        *project["build-system"]["requires"],
    ):
        if not each.startswith(asked["name"]):
            yield Requirement(each)


def test_every_direct_dependency_is_locked_within_what_is_asked_for() -> None:
    held = locked()
    wrong = [
        str(asked)
        for asked in direct(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")))
        for versions in [held.get(canonicalize_name(asked.name), [])]
        if not versions
        or not all(asked.specifier.contains(str(each.specifier).removeprefix("==")) for each, _ in versions)
    ]
    assert wrong == [], "run `make lock`"


def test_every_entry_is_one_version_with_the_hashes_of_its_files() -> None:
    entries = [entry for versions in locked().values() for entry in versions]
    assert len(entries) > 150
    for requirement, hashes in entries:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


def test_it_names_no_place_that_packages_come_from() -> None:
    assert not re.search(r"://|--(?:extra-)?index|--find-links|--trusted-host| @ ", LOCK)


def test_setup_installs_nothing_without_a_hash_but_the_project_itself() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    setup = makefile.split("$(VENV)/.ready:")[1].split("\n\n")[0]
    assert setup.splitlines()[0].split()[:2] == ["pyproject.toml", "requirements.lock"], (
        "it is built anew when they change"
    )
    installs = [line for line in setup.splitlines() if "$(PIP)" in line or "pip install" in line]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--no-deps" in installs[1]
    assert "--no-build-isolation" in installs[1]


def test_advisories_fail_where_nothing_could_be_asked() -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8").split("\nadvisories:")[1].split("\n\n")[0]
    assert "pip-audit --strict" in recipe, "without it, a package that the index tells nothing of is passed over"
    assert "exit 1" in recipe
    assert "|| true" not in recipe
    assert not any(line.lstrip().startswith("-") for line in recipe.splitlines() if not line.startswith("\t\t"))
