"""Every recorded answer is what its source's look says that it brings: a record of core/records, field by field, and no more.

Which look a source function makes is read from its code: the two texts with which it makes a `Look`; where they are no plain texts,
`CALLS` names them.
"""

import ast
import importlib
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import orjson
import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError

import runbook_lib.sources
from runbook_lib.core.records.requests import VercelRequest
from runbook_lib.drills.kit.case_list import select
from runbook_lib.drills.kit.records import read
from runbook_lib.io.observe import Look
from runbook_lib.procedures.catalogues import CATALOGUES

SOURCES = Path(runbook_lib.sources.__file__).parent
PROCEDURES = sorted(catalogue.procedure for catalogue in CATALOGUES)
EXACTLY = ConfigDict(strict=True, extra="forbid")
MOST_SHOWN = 5  # complaints about one look

# The looks of functions that do not write them in two plain texts.
_WAYS = ("postgres", "supabase")
CALLS: dict[str, tuple[str, ...]] = {
    **{
        f"postgres.usage.{name}": tuple(f"{way}.{name}" for way in _WAYS)
        for name in ("organization", "organizations", "by_hour", "crossing", "fleet", "payers", "recorded")
    },
    **{
        f"traces.{backend}_orgs.{name}": (f"{backend}.{name}",)
        for backend in ("tempo", "jaeger")
        for name in ("of_org", "refused")
    },
    "this_machine.gateway_image.health": ("gateway_image.engine",),
    "traces.raw_counts.tempo": ("tempo.raw_counts",),
    "traces.raw_counts.jaeger": ("jaeger.raw_counts",),
    "providers.provider_keys.check": ("openai.key", "anthropic.key", "together.key"),
}


def brought_by(function: Callable[..., Any]) -> Any:
    """The record that a source function's look brings; None where it does not say one."""
    returned = get_type_hints(function).get("return")
    return get_args(returned)[0] if get_origin(returned) is Look else None


def calls_of(name: str, function: ast.FunctionDef) -> tuple[str, ...]:
    """`source.call` of the looks that a source function makes."""
    made = [
        tuple(each.value for each in node.args[:2] if isinstance(each, ast.Constant) and isinstance(each.value, str))
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Look"
    ]
    return CALLS.get(name) or tuple(".".join(texts) for texts in made if len(texts) == 2)


def source_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """The public functions of the sources that return a look, named from their vendor's folder on."""
    for path in sorted(SOURCES.rglob("*.py")):
        room = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
        functions = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
        for node in functions:
            returned = ast.unparse(node.returns) if node.returns is not None else ""
            if not node.name.startswith("_") and returned.partition("[")[0] == "Look":
                yield f"{room}.{node.name}", node


def promised_records() -> dict[str, Any]:
    """What each look brings, by `source.call`: the type of its record, or of the one of several."""
    found: dict[str, Any] = {}
    untyped: set[str] = set()
    for name, node in source_functions():
        room, _, function = name.rpartition(".")
        brought = brought_by(getattr(importlib.import_module(f"runbook_lib.sources.{room}"), function))
        if brought is None:
            untyped.update(calls_of(name, node))
            continue
        calls = calls_of(name, node)
        assert calls, f"{name} makes its look with no plain texts: name it in CALLS"
        for call in calls:
            found[call] = typing.Union[found[call], brought] if call in found else brought  # noqa: UP007 (made at run time)
    return {call: record for call, record in found.items() if call not in untyped}


def test_every_source_says_which_record_its_look_brings() -> None:
    untold = [
        name for name, node in source_functions() if node.returns is not None and "[" not in ast.unparse(node.returns)
    ]
    assert untold == []


def checker(record: Any) -> TypeAdapter[list[Any]]:
    """Checks values of one record, in a list: no field may lack, none be added, none be of another type."""
    return TypeAdapter(list[record], config=EXACTLY)


@pytest.fixture(scope="module")
def checkers() -> dict[str, TypeAdapter[list[Any]]]:
    return {call: checker(record) for call, record in promised_records().items()}


@pytest.mark.slow  # ten seconds of all records together
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_every_recorded_answer_is_what_its_look_promises(
    procedure: str, checkers: dict[str, TypeAdapter[list[Any]]]
) -> None:
    wrong: dict[str, set[str]] = {}
    for case in select(procedure=procedure):
        for record in read(procedure, case.id):
            for seen in record.observations:
                check = checkers.get(f"{seen.source}.{seen.call}")
                if check is None or seen.value is None:
                    continue
                try:
                    check.validate_json(orjson.dumps([seen.value]))  # as JSON: a short row is a tuple
                except ValidationError as error:
                    wrong.setdefault(f"{seen.source}.{seen.call}", set()).update(_complaints(error))
    assert {call: sorted(complaints)[:MOST_SHOWN] for call, complaints in wrong.items()} == {}


def _complaints(error: ValidationError) -> set[str]:
    """Where something is wrong, without the places in lists, and what."""
    return {
        f"{'.'.join(str(step) for step in each['loc'] if not isinstance(step, int))}: {each['msg']} ({each['input']!r:.60})"
        for each in error.errors(include_url=False)
    }


ROW: VercelRequest = {
    "request_id": "r",
    "at": None,
    "method": None,
    "path": None,
    "host": None,
    "status": 200,
    "duration_ms": 12,
    "trace_id": None,
    "deployment_id": None,
    "error": None,
    "region": None,
    "part": "web",
    "platform": "vercel",
    "logs": [{"at": None, "level": "info", "message": ""}],
    "environment": None,
    "branch": None,
    "source": None,
}


def test_a_record_is_taken_as_it_is_described() -> None:
    assert checker(VercelRequest).validate_python([ROW])


@pytest.mark.parametrize(
    "row",
    [
        {key: value for key, value in ROW.items() if key != "branch"},
        {**ROW, "one_more": None},
        {**ROW, "status": "200"},
        {**ROW, "logs": [{"at": None, "level": "info"}]},
    ],
    ids=["a field lacks", "a field more", "a text for a number", "a nested record lacks a field"],
)
def test_a_record_that_is_not_as_described_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        checker(VercelRequest).validate_python([row])
