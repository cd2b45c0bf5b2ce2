"""The team's service_levels.toml: what is promised, over which period, and who must be told. Every mistake is named exactly."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    model_validator,
)

from runbook_lib.core.model import Json
from runbook_lib.core.records.team_files import Objective, Route, ServiceLevels

EVENTS = ("invoice.paid", "invoice.payment_failed", "customer.subscription.updated")
CHANNELS = ("slack", "webhook", "email")
_OF_KINDS = {"service": ("availability", "latency"), "within_ms": ("latency",), "events": ("webhooks",)}
_LONGEST_DAYS = 92


def _number(value: object) -> int | float:
    """A number as it is written: 30 stays whole, 30.0 does not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a number is meant")
    return value


def _days(value: float) -> float:
    if value != int(value) or not 1 <= value <= _LONGEST_DAYS:
        raise ValueError(f"whole days from 1 to {_LONGEST_DAYS} are meant")
    return value


def _count(value: float) -> float:
    if value != int(value) or value < 1:
        raise ValueError("a whole number of one or more is meant")
    return value


def _share(value: float) -> float:
    if 1 < value <= 100:
        raise ValueError(f"a share is meant: write {value / 100:g}")
    if not 0 < value < 1:
        raise ValueError("a share between 0 and 1 is meant: 1 leaves no budget, 0 promises nothing")
    return value


def _milliseconds(value: float) -> float:
    if not 1 <= value <= 600_000:
        raise ValueError("milliseconds from 1 to 600,000 are meant")
    return value


Number = Annotated[int | float, PlainValidator(_number)]
Count = Annotated[Number, AfterValidator(_count)]
Word = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Objective(_Strict):
    name: Annotated[Word, Field(max_length=60)]
    kind: Literal["availability", "latency", "webhooks"]
    service: Word | None = None
    target: Annotated[Number, AfterValidator(_share)]
    within_ms: Annotated[Number, AfterValidator(_milliseconds)] | None = None
    events: list[Word] = Field(default_factory=list)
    min_requests: Count | None = None
    alerts: list[Word] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_what_its_kind_has(self) -> Self:
        for key, kinds in _OF_KINDS.items():
            if self.kind not in kinds and key in self.model_fields_set:
                raise ValueError(f"{key} belongs to kind {' and '.join(kinds)}, and this is {self.kind}")
            if self.kind in kinds and getattr(self, key) is None:
                raise ValueError(f"{key} is missing")
        return self


class _Route(_Strict):
    teller: Literal["traces", "vercel", "railway"] = Field(alias="from")
    severity: Literal["page", "ticket"] | None = None
    to: Word

    @model_validator(mode="after")
    def _has_what_its_teller_has(self) -> Self:
        if self.teller == "traces" and self.severity is None:
            raise ValueError("severity is missing: page or ticket")
        if self.teller != "traces" and self.severity is not None:
            raise ValueError(f"severity belongs to routes from traces, and this is from {self.teller}")
        if self.teller != "traces" and self.to not in CHANNELS:
            raise ValueError(f"to is {self.to!r}; from {self.teller} it is one of {', '.join(CHANNELS)}")
        return self


class _File(_Strict):
    period_days: Annotated[Number, AfterValidator(_days)] = 30
    min_requests: Count = 1000
    objectives: list[_Objective] = Field(default_factory=list)
    routes: list[_Route] = Field(default_factory=list)


def read_service_levels(document: dict[str, Json], path: str) -> ServiceLevels:
    """The content of the file at a path, checked. Raises ValueError that names every table, key and what is wrong with it."""
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        raise ValueError("; ".join(_problem(each, document) for each in error.errors())) from None
    if not file.objectives:
        raise ValueError("no [[objectives]]: there is nothing to hold the figures against")
    names = [each.name for each in file.objectives]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two objectives are named {twice[0]!r}")
    return ServiceLevels(
        file=path,
        period_days=file.period_days,
        min_requests=file.min_requests,
        objectives=[_objective(each, file.min_requests) for each in file.objectives],
        routes=[Route({"from": each.teller, "severity": each.severity, "to": each.to}) for each in file.routes],
    )


def _objective(each: _Objective, min_requests: float) -> Objective:
    return Objective(
        name=each.name,
        kind=each.kind,
        service=each.service,
        target=each.target,
        within_ms=each.within_ms,
        events=list(each.events or EVENTS) if each.kind == "webhooks" else each.events,
        min_requests=each.min_requests or min_requests,
        alerts=each.alerts,
    )


def _problem(error: Mapping[str, Any], document: Mapping[str, Json]) -> str:
    """One problem, with its place as a reader counts: `objectives[1] (API availability).target`."""
    place: tuple[Any, ...] = error["loc"]
    if len(place) <= 2 and error["type"] in ("list_type", "model_type"):
        return f"{place[0]} is not written as [[{place[0]}]] tables"
    where = _where(place, document)
    if error["type"] == "extra_forbidden":
        models: dict[str, type[_Strict]] = {"objectives": _Objective, "routes": _Route}
        fields = models.get(place[0], _File).model_fields
        known = sorted(field.alias or name for name, field in fields.items())
        return f"{where}: no such key; known are {', '.join(known)}"
    if error["type"] == "missing":
        return f"{where} is missing"
    words = error["msg"].removeprefix("Value error, ").replace("Input should be ", "it should be ")
    return f"{where}.{words}" if len(place) == 2 else f"{where} is {error['input']!r}; {words}"


def _where(place: tuple[Any, ...], document: Mapping[str, Json]) -> str:
    words = "".join(f"[{each + 1}]" if isinstance(each, int) else f".{each}" for each in place[2:])
    if len(place) == 1:
        return str(place[0])
    name = document[place[0]][place[1]].get("name")
    return (
        f"{place[0]}[{place[1] + 1}]" + (f" ({name.strip()})" if isinstance(name, str) and name.strip() else "") + words
    )
