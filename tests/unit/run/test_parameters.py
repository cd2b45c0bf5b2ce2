"""Parameters: declared in the notebook, parsed by their declared type alone, refused before anything starts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.core.errors import NotebookError, UsageError
from runbook_lib.core.redact import Redactor
from runbook_lib.run.inject import inject
from runbook_lib.run.notebooks import Template, read_template
from runbook_lib.run.parameters import check_parameters, declared_parameters, parse_pairs

CELL = """from typing import Literal
from runbook_lib.run import SecretRef

text: str = "a=b"  # a text; its default holds = and a # sign
number: int = 3  # a number
share: float = 0.5  # a fraction
maybe: str | None = None  # may be left out
count: int | None = None  # may be none
flag: bool = False  # yes or no
shade: Literal["red", "green"] = "red"  # one of two
level: Literal[1, 2] = 1
names: list[str] = []  # a list
table: dict[str, int] = {}  # a mapping
jwt: SecretRef = ""  # a token
url: "str" = "https://example.com/?a=1#b"  # quoted annotation"""


def template(tmp_path: Path, *cells: str, tag: str = "parameters") -> Template:
    path = tmp_path / "90_x.ipynb"
    made = [
        {"cell_type": "code", "metadata": {"tags": [tag]}, "source": source, "outputs": [], "execution_count": None}
        for source in cells
    ]
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return read_template(path)


@pytest.fixture
def parameters(tmp_path: Path) -> Any:
    return declared_parameters(template(tmp_path, CELL))


def one(parameters: Any, name: str, text: str) -> Any:
    return check_parameters(parameters, {name: text}, from_text=True)[name]


def test_types_defaults_and_help_are_read_from_the_cell(parameters: Any) -> None:
    known = {each.name: each for each in parameters}
    assert known["text"].help == "a text; its default holds = and a # sign"
    assert known["maybe"].annotation == "str | None"
    assert known["shade"].choices == ["red", "green"]
    assert known["jwt"].is_secret
    assert not known["text"].is_secret
    assert known["url"].default == "https://example.com/?a=1#b"
    assert known["url"].annotation == "str"
    assert known["names"].default == []


@pytest.mark.parametrize(
    "text", ["1234e56", "00123", "1_000", "007", "+4915112345", "nan", "true", "null", "None", "[1]", "", " x "]
)
def test_a_text_stays_the_text_it_is(parameters: Any, text: str) -> None:
    assert one(parameters, "text", text) == text
    assert one(parameters, "maybe", text) == text


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=200))
def test_any_text_reaches_the_notebook_unchanged(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        made = template(Path(folder), CELL)
        values = check_parameters(declared_parameters(made), parse_pairs([f"text={text}"]), from_text=True)
        cell = inject(made.document, values, {}).cells[1]
        scope: dict[str, Any] = {}
        exec(cell.source, scope)  # what a kernel would do with it
        assert scope["text"] == text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("number", "-12", -12),
        ("share", "1e-3", 0.001),
        ("share", "2", 2.0),
        ("flag", "true", True),
        ("flag", "No", False),
        ("count", "7", 7),
        ("count", "", None),
        ("count", "none", None),
        ("shade", "green", "green"),
        ("level", "2", 2),
        ("names", '["a", "b"]', ["a", "b"]),
        ("table", '{"a": 1}', {"a": 1}),
        ("jwt", "env:TOKEN", "env:TOKEN"),
        ("jwt", "file:/run/token", "file:/run/token"),
        ("jwt", "", ""),
    ],
)
def test_a_value_is_parsed_by_its_declared_type(parameters: Any, name: str, text: str, value: object) -> None:
    parsed = one(parameters, name, text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("number", "1_000"),
        ("number", "1.0"),
        ("number", "0x10"),
        ("number", "٣"),
        ("number", ""),
        ("share", "nan"),
        ("share", "inf"),
        ("share", "1e999"),
        ("flag", "1"),
        ("flag", "maybe"),
        ("shade", "blue"),
        ("level", "3"),
        ("names", "a,b"),
        ("names", "[1]"),
        ("table", '{"a": "b"}'),
        ("count", "seven"),
        ("text", "x" * 100_001),
        ("text", "\ud800"),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_type_in_the_message(parameters: Any, name: str, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        one(parameters, name, text)
    assert f"{name} is " in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("value", ["1", 1.5, None, [1], True])
def test_a_python_value_of_another_type_is_refused(parameters: Any, value: object) -> None:
    with pytest.raises(UsageError):
        check_parameters(parameters, {"number": value}, from_text=False)


@pytest.mark.parametrize(("name", "near"), [("nubmer", "number"), ("txt", "text"), ("shades", "shade")])
def test_a_mistyped_name_is_refused_with_the_nearest_one(parameters: Any, name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean {near}"):
        check_parameters(parameters, {name: "1"}, from_text=True)


@pytest.mark.parametrize("name", ["x=1; import os #", "", "class", "a b", "a\nb", "ä-b"])
def test_a_name_that_is_code_is_refused(parameters: Any, name: str) -> None:
    with pytest.raises(UsageError, match="no such parameter"):
        check_parameters(parameters, {name: "1"}, from_text=True)


@pytest.mark.parametrize(
    "secret",
    [
        "sk_live_abcdefghijklmnop",
        "whsec_abcdefghijklmnop",
        "postgresql://u:pass1234@h/db",
        "Bearer abcdefghijkl",
        "the-target's-own",
    ],
)
def test_a_secret_in_clear_is_refused_and_not_repeated(parameters: Any, secret: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_parameters(
            parameters, {"text": f"before {secret} after"}, from_text=True, redactor=Redactor(["the-target's-own"])
        )
    assert secret not in str(refused.value)
    assert "env:NAME" in str(refused.value)


def test_an_email_address_is_no_secret(parameters: Any) -> None:
    assert one(parameters, "text", "jane@example.com") == "jane@example.com"


@pytest.mark.parametrize("value", ["eyJhbGciOiJIUzI1NiJ9.e30.x", "env:", "file:", "env:NOT A NAME", "hunter2hunter2"])
def test_a_secret_parameter_takes_a_reference_only_and_never_shows_what_was_given(parameters: Any, value: str) -> None:
    with pytest.raises(UsageError) as refused:
        one(parameters, "jwt", value)
    assert value not in str(refused.value).replace("env:NAME", "").replace("file:PATH", "")


def test_an_option_without_a_value_or_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="name=value"):
        parse_pairs(["lonely"])
    with pytest.raises(UsageError, match="twice"):
        parse_pairs(["a=1", "a=2"])
    assert parse_pairs(["a=b=c", "b="]) == {"a": "b=c", "b": ""}


@pytest.mark.parametrize(
    "cell",
    [
        "x = 1",
        "x: int",
        "x: int = len('a')",
        "x: Path = '.'",
        "import os",
        "x: int = 1\nprint(x)",
        "def f(): pass",
        "x: int =",
    ],
)
def test_a_cell_that_declares_something_else_is_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(NotebookError, match="parameters cell"):
        declared_parameters(template(tmp_path, cell))


def test_a_notebook_needs_exactly_one_parameters_cell(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="2 cells"):
        declared_parameters(template(tmp_path, "x: int = 1", "y: int = 2"))
    with pytest.raises(NotebookError, match="0 cells"):
        declared_parameters(template(tmp_path, "x: int = 1", tag="other"))
