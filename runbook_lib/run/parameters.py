"""A procedure's parameters: declared in the notebook's `parameters` cell, checked by type before anything starts.

The cell is read as a syntax tree, never run: `name: type = literal  # help`, one a line. A value given as text is parsed
by the declared type alone, so that an id such as 1234e56, 00123 or 1_000 stays the text it is.
"""

import ast
import builtins
import io
import keyword
import math
import re
import tokenize
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from runbook_lib.core.errors import NotebookError, UsageError
from runbook_lib.core.model import Json
from runbook_lib.core.redact import Redactor
from runbook_lib.core.secret_ref import SecretRef, is_reference
from runbook_lib.run.notebooks import Template, source, tags

MAX_CHARACTERS = 100_000

_SIMPLE: dict[str, Any] = {
    "str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "SecretRef": SecretRef, "Any": Any,
}  # fmt: skip
_TRUE, _FALSE = frozenset({"true", "yes"}), frozenset({"false", "no"})
_INT = re.compile(r"[+-]?\d+", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_IMPORTS = frozenset({"typing", "runbook_lib.run", "runbook_lib.core.secret_ref"})


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: its type as it is written and as it checks, its default, its trailing comment."""

    name: str
    annotation: str
    kind: Any
    default: Json
    help: str

    @property
    def is_secret(self) -> bool:
        """Whether it takes a reference to a secret."""
        return SecretRef in _members(self.kind)

    @property
    def choices(self) -> list[Json]:
        """The values of a Literal; empty for every other type."""
        return [value for member in _members(self.kind) if _is_literal(member) for value in typing.get_args(member)]

    def as_dict(self) -> dict[str, Json]:
        """What `show --json` says of it."""
        return {
            "name": self.name,
            "type": self.annotation,
            "default": self.default,
            "help": self.help,
            "secret": self.is_secret,
            "choices": self.choices,
        }


def declared_parameters(template: Template) -> list[Parameter]:
    """The parameters of a template, in the order in which they stand.

    Raises:
        NotebookError: not exactly one `parameters` cell, or a line in it that declares nothing.
    """
    cells = [cell for cell in template.document["cells"] if "parameters" in tags(cell)]
    if len(cells) != 1:
        raise _bad_cell(template, f"{len(cells)} cells are tagged `parameters`", "Tag exactly one.")
    text = source(cells[0])
    try:
        tree = ast.parse(text)
        comments = _comments(text)
    except (SyntaxError, tokenize.TokenError) as error:
        raise _bad_cell(template, f"line {getattr(error, 'lineno', '?')}: no Python", "Correct the cell.") from error
    return list(_declarations(template, tree, comments))


def _declarations(template: Template, tree: ast.Module, comments: Mapping[int, str]) -> Iterator[Parameter]:
    for line in tree.body:
        if isinstance(line, ast.ImportFrom) and line.module in _IMPORTS:
            continue
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
            continue  # a docstring
        if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None):
            raise _bad_cell(
                template,
                f"line {line.lineno} is no `name: type = literal`",
                "Annotate it and give it a literal default.",
            )
        name = line.target.id
        try:
            kind = _type_of(line.annotation)
            default = ast.literal_eval(line.value)
        except (ValueError, TypeError, KeyError) as error:
            raise _bad_cell(
                template,
                f"line {line.lineno}: {name} has a type or a default that cannot be read ({error})",
                "Use str, int, float, bool, list[…], dict[…], Literal[…], SecretRef, `… | None`, and a literal.",
            ) from error
        comment = " ".join(filter(None, (comments.get(at) for at in range(line.lineno, (line.end_lineno or 0) + 1))))
        yield Parameter(name, ast.unparse(line.annotation).strip("'\""), kind, default, comment)


def check_parameters(
    parameters: Sequence[Parameter], given: Mapping[str, Any], *, from_text: bool, redactor: Redactor | None = None
) -> dict[str, Json]:
    """Every parameter's value: what was given, checked against its type, else its default.

    Args:
        parameters: what is declared.
        given: names and values; texts from a command line when `from_text`, Python values otherwise.
        from_text: parse each value by its declared type.
        redactor: knows the target's secrets; a value in which it finds one is refused.

    Raises:
        UsageError: an unknown name (the nearest is suggested), a value of another type, a secret in clear.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        _check_name(name, known)
    values = {}
    for name, parameter in known.items():
        if name not in given:
            values[name] = parameter.default
            continue
        value = given[name]
        if parameter.is_secret:
            values[name] = _checked_reference(parameter, value)
            continue
        _refuse_secret(name, value, redactor or Redactor())
        values[name] = _checked(parameter, value, from_text=from_text)
    return values


def parse_pairs(options: Sequence[str]) -> dict[str, str]:
    """`name=value` options as a mapping; the value is everything after the first `=`.

    Raises:
        UsageError: an option without `=`, or a name twice.
    """
    found: dict[str, str] = {}
    for option in options:
        name, separator, value = option.partition("=")
        if not separator:
            raise UsageError(
                "Cannot read this parameter",
                where=f"-p {_short(name)}",
                came_back="it is no name=value",
                do_next="Write -p name=value; quote it for your shell where it holds spaces.",
            )
        if name in found:
            raise UsageError("A parameter is given twice", where=f"-p {_short(name)}", do_next="Give it once.")
        found[name] = value
    return found


def _check_name(name: str, known: Mapping[str, Parameter]) -> None:
    if name in known:
        return
    if not name.isidentifier() or keyword.iskeyword(name):
        problem, advice = "it is not a name", "Names are letters, digits and underscores."
    else:
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        problem = f"known are {', '.join(known) or 'none'}"
        advice = f"Did you mean {near[0]}?" if near else "See `runbook show` for what the procedure takes."
    raise UsageError("There is no such parameter", where=_short(name), came_back=problem, do_next=advice)


def _checked(parameter: Parameter, value: Any, *, from_text: bool) -> Json:
    try:
        if isinstance(value, str) and len(value) > MAX_CHARACTERS:
            raise ValueError(f"longer than {MAX_CHARACTERS:,} characters")
        candidate = _from_text(value, parameter.kind) if from_text and isinstance(value, str) else value
        checked = TypeAdapter(parameter.kind).validate_python(candidate, strict=True)
        plain = to_jsonable_python(checked)
        if isinstance(plain, str):
            plain.encode()  # a lone surrogate cannot be written down
        if isinstance(plain, float) and not math.isfinite(plain):
            raise ValueError("not a finite number")
        return plain
    except UnicodeEncodeError:
        reason = "it is not valid Unicode"
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    except ValueError as error:
        reason = str(error)
    raise UsageError(
        "Cannot use this value",
        where=f"{parameter.name}={_short(str(value))}",
        came_back=f"{parameter.name} is {parameter.annotation}: {reason}",
        do_next=f"Choose one of {', '.join(map(str, parameter.choices))}." if parameter.choices else "",
    )


def _checked_reference(parameter: Parameter, value: Any) -> str | None:
    if value == "" or (value is None and type(None) in _members(parameter.kind)):
        return value  # type: ignore[no-any-return]
    if isinstance(value, str) and is_reference(value):
        return value
    raise UsageError(
        f"The parameter {parameter.name} takes a reference to a secret, never the value",
        came_back="what was given is neither env:NAME nor file:PATH (it is not shown, for it may be the secret)",
        do_next=f"Put the secret into a variable or a file and pass {parameter.name}=env:NAME or {parameter.name}=file:PATH.",
    )


def _refuse_secret(name: str, value: Any, redactor: Redactor) -> None:
    """A clear secret in a parameter would be in every copy of the notebook; an e-mail address is not a secret."""
    text = value if isinstance(value, str) else str(value)
    if redactor.secrets_only(text) != text:
        raise UsageError(
            f"The value of {name} holds a secret",
            came_back="it is not shown; parameters are written into the notebook and its artifact",
            do_next="Name the secret by reference (env:NAME or file:PATH) in a parameter made for it, or leave it out.",
        )


def _from_text(text: str, kind: Any) -> Any:
    """A text as the value of a type. Raises ValueError where it cannot be read as that type."""
    problems = []
    for member in sorted(_members(kind), key=lambda each: each in (str, SecretRef)):
        try:
            return _member_from_text(text, member)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError("; ".join(problems))


def _member_from_text(text: str, member: Any) -> Any:
    if member in (str, Any):
        return text
    if member is type(None):
        if text == "" or text.lower() == "none":
            return None
        raise ValueError("not none")
    if member is bool:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ValueError("write true or false")
    if member is int:
        if _INT.fullmatch(text) and len(text) < 400:
            return int(text)
        raise ValueError("not a whole number")
    if member is float:
        if _FLOAT.fullmatch(text):
            return float(text)
        raise ValueError("not a number")
    if _is_literal(member):
        for choice in typing.get_args(member):
            if str(choice) == text:
                return choice
        raise ValueError(f"not one of {', '.join(map(str, typing.get_args(member)))}")
    try:
        return TypeAdapter(member).validate_json(text)
    except ValidationError as error:
        raise ValueError(f"write it as JSON: {error.errors()[0]['msg']}") from None


def _members(kind: Any) -> tuple[Any, ...]:
    """The alternatives of a union; a type that is not a union, alone. `str | None` reads an empty text as text."""
    arguments = typing.get_args(kind)
    if arguments and not _is_literal(kind) and typing.get_origin(kind) not in (list, dict):
        members = tuple(inner for argument in arguments for inner in _members(argument))
        return tuple(m for m in members if m is not type(None)) if str in members else members
    return (kind,)


def _is_literal(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Literal


def _type_of(node: ast.expr) -> Any:
    """The type an annotation stands for, from a short list of names; nothing is evaluated."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _type_of(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.Constant) and node.value is None:
        return type(None)
    if isinstance(node, ast.Name):
        return _SIMPLE[node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return typing.Union[_type_of(node.left), _type_of(node.right)]  # noqa: UP007 (built, not written)
    if isinstance(node, ast.Subscript):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        outer = node.value.id if isinstance(node.value, ast.Name) else ast.unparse(node.value).rpartition(".")[2]
        if outer == "Literal":
            return typing.Literal[tuple(ast.literal_eval(each) for each in inner)]
        if outer == "Optional":
            return typing.Union[_type_of(inner[0]), None]  # noqa: UP007
        if outer in ("list", "dict"):
            return getattr(builtins, outer)[tuple(_type_of(each) for each in inner)]
    raise ValueError(f"unknown type {ast.unparse(node)}")


def _comments(text: str) -> dict[int, str]:
    """The comment of each line that has one."""
    return {
        token.start[0]: token.string.lstrip("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "…"


def _bad_cell(template: Template, problem: str, advice: str) -> NotebookError:
    return NotebookError(
        "The notebook's parameters cell cannot be used", where=template.path.name, came_back=problem, do_next=advice
    )
