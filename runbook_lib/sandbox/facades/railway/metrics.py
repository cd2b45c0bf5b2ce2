"""Railway's metrics: requests by status and their durations from what the edge saw, CPU and memory from the state."""

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from graphql import GraphQLError

from runbook_lib.sandbox.facades.railway.logs import edge_rows
from runbook_lib.sandbox.facades.railway.state import (
    SERVICE_NAMES,
    RailwayState,
    parse_time,
    part_of_service,
    service_id,
)
from runbook_lib.sandbox.world import RequestRow, World

_STEP_S = 60
_KEYS = {"SERVICE_ID": "serviceId", "ENVIRONMENT_ID": "environmentId", "PROJECT_ID": "projectId"}


def by_status(world: World, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Request counts by status code, one sample a step."""
    counts: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    step = _step(query.get("stepSeconds"))
    for row in _rows(world, query):
        counts[row.status][_slot(row.at, step)] += row.count
    return [
        {"statusCode": status, "samples": [{"ts": ts, "value": float(n)} for ts, n in sorted(samples.items())]}
        for status, samples in sorted(counts.items())
    ]


def durations(world: World, query: dict[str, Any]) -> dict[str, Any]:
    """p50, p90, p95 and p99 in milliseconds, one sample for each step that saw a request."""
    step = _step(query.get("stepSeconds"))
    slots: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for row in _rows(world, query):
        slots[_slot(row.at, step)].append((row.duration_ms, row.count))
    samples = []
    for ts, values in sorted(slots.items()):
        values.sort()
        quantiles = {f"p{q}": _quantile(values, q / 100) for q in (50, 90, 95, 99)}
        samples.append({"ts": ts, **quantiles})
    return {"samples": samples}


def _rows(world: World, query: dict[str, Any]) -> Iterable[RequestRow]:
    part = part_of_service(world, query["serviceId"])
    start, end = parse_time(query["startDate"]), parse_time(query["endDate"])
    if start is None or end is None or end < start:
        raise GraphQLError("endDate must be after startDate")
    for row in (*edge_rows(world), *(row for row in world.condensed if row.platform == "railway")):
        if row.part != part or not start <= row.at <= end:
            continue
        if query.get("method") not in (None, row.method) or query.get("path") not in (None, row.path):
            continue
        if query.get("statusCode") in (None, row.status):
            yield row


def usage(world: World, query: dict[str, Any]) -> list[dict[str, Any]]:
    """CPU, memory and network of services; one series a measurement, or one a service when grouped by it."""
    start, end = parse_time(query["startDate"]), parse_time(query.get("endDate")) or world.now()
    if start is None or end < start:
        raise GraphQLError("endDate must be after startDate")
    step = _step(query.get("sampleRateSeconds"))
    wanted = query.get("serviceId")
    parts = [part_of_service(world, wanted)] if wanted else list(SERVICE_NAMES)
    groups = query.get("groupBy") or []
    sets = [[part] for part in parts] if "SERVICE_ID" in groups else [parts]
    return [
        {
            "measurement": measurement,
            "tags": _tags(world, members, groups),
            "values": _series(world, measurement, members, start, end, step),
        }
        for measurement in query["measurements"]
        for members in sets
    ]


def _tags(world: World, parts: list[str], groups: list[str]) -> dict[str, str]:
    values = {
        "SERVICE_ID": service_id(world, parts[0]),
        "ENVIRONMENT_ID": world.ids.railway_environment,
        "PROJECT_ID": world.ids.railway_project,
    }
    return {_KEYS[group]: values[group] for group in groups if group in values}


def _series(
    world: World, measurement: str, parts: list[str], start: datetime, end: datetime, step: int
) -> list[dict[str, Any]]:
    values, at = [], start
    while at <= end:
        value = sum(_measured(world, measurement, part) for part in parts)
        values.append({"ts": int(at.timestamp()), "value": round(value, 6)})
        at += timedelta(seconds=step)
    return values


def _measured(world: World, measurement: str, part: str) -> float:
    state = world.state(RailwayState)
    known = {
        "CPU_USAGE": state.cpu.get(part, 0.0),
        "CPU_LIMIT": 8.0,
        "MEMORY_USAGE_GB": state.memory_gb.get(part, 0.0),
        "MEMORY_LIMIT_GB": state.memory_limit_gb,
    }
    return known.get(measurement, 0.0)


def _step(seconds: int | None) -> int:
    if seconds is not None and seconds < 1:
        raise GraphQLError("the step must be at least one second")
    return seconds or _STEP_S


def _slot(at: datetime, step: int) -> int:
    return int(at.timestamp()) // step * step


def _quantile(ordered: list[tuple[float, int]], share: float) -> float:
    rank, seen = max(1, math.ceil(share * sum(count for _, count in ordered))), 0
    for value, count in ordered:
        seen += count
        if seen >= rank:
            return value
    return ordered[-1][0]
