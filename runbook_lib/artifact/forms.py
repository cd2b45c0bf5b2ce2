"""The forms of an artifact's files, as far as a reader relies on them: what is of another form is refused before it is used."""

from dataclasses import fields
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from runbook_lib.core.model import Json, Observation

Text = Annotated[str, Field(max_length=1_000_000)]
Name = Annotated[str, Field(max_length=1000)]


class _Form(BaseModel):
    """More may stand there, for it is shown and not read; what is read has to be of its type."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Finding(_Form):
    code: Name
    subject: Text
    summary: Text
    fingerprint: Name
    evidence: list[Text] = []
    remedy: Text | None = None


class _Suspect(_Form):
    code: Name
    subject: Text
    why: Text = ""


class FindingsForm(_Form):
    """What two verdicts are compared by: an artifact's, or one that an audit's record holds."""

    procedure: Name
    target: Name = ""
    status: Literal["confirmed", "ruled_out", "could_not_tell"]
    causes: list[_Finding]
    also: list[_Finding]
    states: list[_Finding]
    blind: list[_Finding]


class VerdictForm(FindingsForm):
    """verdict.json, of schema 1 (without coverage) and 2."""

    schema_: Annotated[Literal[1, 2], Field(alias="schema")] = 1
    verdict_sha256: Name
    suspects: list[_Suspect]
    not_seen: list[dict[str, Any]]
    coverage: list[dict[str, Any]] = []


class _Entry(_Form):
    sha256: Name


class ManifestForm(_Form):
    """manifest.json: the hash of every file."""

    schema_: Annotated[int, Field(alias="schema")]
    files: dict[str, _Entry]


class ObservationForm(_Form):
    """One line of observations.jsonl."""

    id: Name
    source: Name
    call: Name
    arguments: dict[str, Any]
    nth: Annotated[int, Field(ge=0, lt=1_000_000)]
    status: Name
    value: Any = None
    why: Text
    help: Text
    at: Name
    elapsed_ms: float


def fault_of(form: type[BaseModel], value: Json) -> str | None:
    """What is wrong with a value, in words: the field and what it should be; None where it has the form."""
    try:
        form.model_validate(value)
    except ValidationError as error:
        return words_of(error)
    return None


def observation(value: Json) -> Observation:
    """The observation that a line of the record holds. Raises ValueError in words where it holds none."""
    if why := fault_of(ObservationForm, value):
        raise ValueError(why)
    try:
        return Observation.from_dict(value)
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from error


def typed(kind: type[Any], value: Json) -> Any:
    """A dataclass of ours from JSON, every field of its type, none unknown. Raises ValueError in words."""
    unknown = set(value) - {each.name for each in fields(kind)} if isinstance(value, dict) else ()
    if unknown:
        raise ValueError(f"{sorted(unknown)[0][:100]}: no such field")
    try:
        return TypeAdapter(kind).validate_json(orjson.dumps(value), strict=True)
    except ValidationError as error:
        raise ValueError(words_of(error)) from error


def words_of(error: ValidationError) -> str:
    """The first fault of a value: where it is and what it should be."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"][:4])[:100]
    return f"{where or 'it'}: {first['msg'][:120]}"
