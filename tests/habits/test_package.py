"""What the package reads at run time goes with it."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runbook_lib"


def test_every_file_that_is_no_python_is_declared_as_the_packages_data() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["runbook_lib"]
    packed = {path for pattern in declared for path in PACKAGE.glob(pattern)}
    there = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert there - packed == set()
    assert all(any(PACKAGE.glob(pattern)) for pattern in declared), "a pattern that means nothing"
