"""Every procedure has its page of one screen, in one form; every picture that a page shows is there, and small."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
HEADINGS = ["Symptom", "Needs", "Run", "Read", "Do", "Cannot tell"]
STEMS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
MOST_BYTES = 250_000


def pages() -> list[Path]:
    """Every page that a reader may open."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def test_every_procedure_has_a_page_and_every_page_a_procedure() -> None:
    assert sorted(path.stem for path in (DOCS / "procedures").glob("*.md")) == STEMS


@pytest.mark.parametrize("stem", STEMS)
def test_a_procedures_page_has_the_six_headings_and_something_below_each(stem: str) -> None:
    text = (DOCS / "procedures" / f"{stem}.md").read_text("utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.M)
    assert parts[1::2] == HEADINGS
    assert [heading for heading, below in zip(HEADINGS, parts[2::2], strict=True) if not below.strip()] == []


@pytest.mark.parametrize("stem", STEMS)
def test_a_procedures_page_has_its_facts_parameters_and_causes_generated(stem: str) -> None:
    text = (DOCS / "procedures" / f"{stem}.md").read_text("utf-8")
    assert re.findall(r"<!-- generated: (\w+) -->", text) == ["facts", "parameters", "causes"]


@pytest.mark.parametrize("stem", STEMS)
def test_the_commands_on_a_page_name_parameters_that_exist(stem: str) -> None:
    text = (DOCS / "procedures" / f"{stem}.md").read_text("utf-8")
    (table,) = re.findall(r"<!-- generated: parameters -->\n(.*?)<!-- end -->", text, re.S)
    known = set(re.findall(r"^\| `(\w+)` \|", table, re.M))
    used = {
        name
        for line in re.findall(rf"^.*runbook run {stem[:2]}\b.*$", text, re.M)
        for name in re.findall(r"-p (\w+)=", line)
    }
    assert used - known == set()


def test_every_code_that_a_page_names_is_in_the_catalogues() -> None:
    known = set(re.findall(r"^\| `([\w.]+)` \|", (DOCS / "causes.md").read_text("utf-8"), re.M))
    families = {code.partition(".")[0] for code in known}
    wrong = {
        f"{path.name}: {code}"
        for path in (DOCS / "procedures").glob("*.md")
        for code in re.findall(r"`([a-z]+\.[a-z_]+(?:\.[a-z_]+)?)`", _by_hand(path.read_text("utf-8")))
        if code.partition(".")[0] in families and code not in known and not code.endswith((".toml", ".md"))
    }
    assert wrong == set()


def test_every_picture_that_a_page_shows_is_there_and_small() -> None:
    wrong = []
    for page in pages():
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)|<img [^>]*src=\"([^\"]+)\"", page.read_text("utf-8")):
            picture = page.parent / "".join(target)
            if not picture.is_file() or picture.stat().st_size > MOST_BYTES:
                wrong.append(f"{page.name}: {picture.name}")
    assert wrong == []


def test_every_picture_that_is_kept_is_shown() -> None:
    shown = "".join(page.read_text("utf-8") for page in pages())
    kept = [path.name for path in (DOCS / "pictures").glob("*.*") if path.suffix in (".png", ".svg")]
    assert [name for name in kept if f"pictures/{name}" not in shown] == []


def _by_hand(text: str) -> str:
    """A page without its generated parts."""
    return re.sub(r"<!-- generated: \w+ -->\n.*?<!-- end -->", "", text, flags=re.S)
