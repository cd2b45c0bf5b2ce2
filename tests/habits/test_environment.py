"""The two ways to an environment ask for the same."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def bare(requirement: str) -> str:
    """A requirement without extras and spaces: `psycopg>=3.2,<4`."""
    return re.sub(r"\[.*?\]", "", requirement).replace(" ", "")


def test_environment_yml_asks_for_what_pyproject_asks_for() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    from_pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    from_conda = [entry for entry in listed if isinstance(entry, str) and entry != "pip"]
    assert "-e ." in from_pip
    given = {bare(entry) for entry in (*from_conda, *from_pip) if entry != "-e ."}
    asked = [*wanted["dependencies"], *wanted["optional-dependencies"]["sandbox"]]
    assert given == {bare(entry) for entry in asked} | {f"python{wanted['requires-python']}"}


def test_the_packages_that_users_asked_for_are_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[a-z-]+", entry)[0] for entry in project["dependencies"]}  # type: ignore[index]
    assert {
        "jupyterlab",
        "papermill",
        "nbval",
        "pandas",
        "httpx",
        "stripe",
        "supabase",
        "ipywidgets",
        "matplotlib",
    } <= names
