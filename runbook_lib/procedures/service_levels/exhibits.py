"""What service levels look like: tables, the burn-down of the budget, latency with its objective. Plain data for the displays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.core.model import Finding, Json, Status
from runbook_lib.core.records.alerts import AlertRoute, AlertRouting, FiredAlerts, TestedAlert
from runbook_lib.core.records.counts import Counts
from runbook_lib.judging.answers import record_of
from runbook_lib.procedures.service_levels.alerts import guards_of, levels_named, platform_rules, reached
from runbook_lib.procedures.service_levels.evidence import Evidence, counts_in, find
from runbook_lib.procedures.service_levels.judging import JudgedLevel, budget_left
from runbook_lib.procedures.service_levels.reading import Level, commit_or_id, deployments_of, hours_of, served_at
from runbook_lib.procedures.service_levels.tally import HOUR_S, POLICIES, p95_between, p95_by_step, span_text
from runbook_lib.procedures.service_levels.words import clock_words, percent

_MOST_POINTS = 360


def promises(evidence: Evidence) -> Json:
    """The objectives as a table."""
    rows = [
        [
            each["name"],
            each["service"] or "Stripe's events",
            each["kind"] + (f" within {each['within_ms']:g} ms" if each["within_ms"] else ""),
            percent(each["target"]),
            ", ".join(each["alerts"]) or None,
        ]
        for each in evidence.objectives()
    ]
    return {"columns": ["objective", "service", "kind", "promised", "guarded by"], "rows": rows}


def counted(evidence: Evidence) -> Json:
    """Every look that counts: what it came to."""
    rows = []
    for look in (*evidence.counts, *evidence.raw, *evidence.webhooks):
        if look.status is Status.not_configured:
            continue
        counts = counts_in(look)
        total, failed = (sum(counts["total"]), sum(counts["failed"])) if counts else (0, 0)
        rows.append(
            [
                look.arguments.get("service") or "Stripe's events",
                counts["by"] if counts else look.source,
                str(look.status),
                round(total) if total else None,
                round(failed) if total else None,
                _p95(counts),
            ]
        )
    return {"columns": ["service", "counted by", "status", "requests", "failed", "p95"], "rows": rows}


def _p95(counts: Counts | None) -> str | None:
    found = p95_between(counts["latency"]) if counts else None
    if found is None:
        return None
    low, high = found
    return f"{low:,.0f} to {high:,.0f} ms" if high is not None else f"above {low:,.0f} ms"


def who_counts(judged: Sequence[JudgedLevel]) -> str:
    """One sentence: which source counts for what, and what sampling does to it."""
    said = []
    for level in (each.level for each in judged):
        words = level.by or "nobody"
        samplings = [each.sampling for each in (level, *level.others) if each.sampling is not None]
        said.append(f"{level.name}: {words}" + (f" ({samplings[0].words()})" if samplings else ""))
    if not said:
        return "Nothing was counted: no objective is known."
    unchecked = not any(each.level.sampling for each in judged)
    note = (
        " No second count tells whether the traces are sampled; shares hold if all are sampled alike."
        if unchecked
        else ""
    )
    return "; ".join(said) + "." + note


def budgets(judged: Sequence[JudgedLevel]) -> Json:
    """The table a manager reads: each objective, what became of it, what is left, how fast it burns."""
    rows = []
    for each in judged:
        level = each.level
        code = next((found.code for found in (each.fault, each.state, each.blind) if found), "")
        if level.tally is None:
            rows.append([level.name, code, percent(level.target), None, None, None, None])
            continue
        worst, best = level.between()
        got = percent(best) if best - worst < 5e-7 else f"{percent(worst)} to {percent(best)}"
        total, bad, _ = level.tally.sums()
        burnt = [f"{span_text(p.long_s)} {_rate(level, p.long_s)}" for p in POLICIES]
        rows.append(
            [
                level.name,
                code,
                percent(level.target),
                got,
                f"{bad:,.0f} of {total:,.0f}",
                f"{budget_left(level):.0%}",
                " · ".join(burnt),
            ]
        )
    columns = [
        "objective",
        "said",
        "promised",
        "got",
        "against it",
        "budget left",
        "burn rate now (1 lasts the period)",
    ]
    return {"columns": columns, "rows": rows}


def _rate(level: Level, window_s: float) -> str:
    assert level.tally is not None
    rate, _ = level.tally.burn_now(window_s, level.target)
    return "–" if rate is None else f"{rate:.1f}"


def where_it_went(judged: Sequence[JudgedLevel], evidence: Evidence) -> Json:
    """The hours in which most of each budget went, with the deployment that served then."""
    rows = []
    for each in judged:
        level = each.level
        if level.tally is None:
            continue
        deployments = deployments_of(evidence.changes, level.objective["service"])
        for hour in hours_of(level.tally, level.target, 3):
            if hour["budget_ratio"] < 0.01:
                continue
            served = served_at(deployments, hour["since_s"] + HOUR_S)
            rows.append(
                [
                    level.name,
                    to_iso(from_epoch_s(hour["since_s"])),
                    round(hour["bad"]),
                    round(hour["total"]),
                    hour["budget_ratio"],
                    commit_or_id(served) if served else None,
                    (served["ready_at"] or served["at"]) if served else None,
                ]
            )
    columns = ["objective", "hour_at", "against it", "requests", "budget_ratio", "deployment", "deployed_at"]
    return {"columns": columns, "rows": rows}


def burn_down(judged: Sequence[JudgedLevel], evidence: Evidence) -> Json:
    """The budget left over time, a line for each objective that has counts: {"window", "lines": [{"name", "points": [[at, left]],
    "missed"}], "deployments"}."""
    lines = []
    for each in judged:
        level = each.level
        if level.tally is None:
            continue
        left = level.tally.budget_left(level.target)
        stride = max(1, -(-len(left) // _MOST_POINTS))
        chosen = sorted({*range(stride - 1, len(left), stride), len(left) - 1}) if len(left) else []
        ends_s = level.tally.since_s + (np.array(chosen, dtype=np.int64) + 1) * level.tally.step_s
        points = [[at, round(value, 5)] for at, value in zip(_iso_of(ends_s), left[chosen].tolist(), strict=True)]
        lines.append({"name": level.name, "points": points, "missed": each.fault is not None})
    return {"window": evidence.window.as_dict(), "lines": lines, "deployments": marks(evidence)}


def _iso_of(epoch_s: "np.ndarray[Any, np.dtype[np.int64]]") -> list[str]:
    """The moments as `to_iso` writes them, all at once."""
    moments = (epoch_s * 1000).astype("datetime64[ms]")
    return [str(each) for each in np.datetime_as_string(moments, timezone="UTC").tolist()]


def latency_over_time(each: JudgedLevel, evidence: Evidence) -> Json:
    """The p95 of each hour between its bounds, with the objective: {"window", "within_ms", "rows", "deployments", "bound"}."""
    level = each.level
    assert level.look is not None
    counts = record_of(level.look, Counts)
    rows = p95_by_step(counts["latency"], counts["since"], level.target) if counts else []
    return {
        "window": evidence.window.as_dict(),
        "within_ms": level.objective["within_ms"],
        "share": level.target,
        "rows": rows,
        "deployments": marks(evidence, level.objective["service"]),
    }


def glance(judged: Sequence[JudgedLevel], evidence: Evidence) -> list[dict[str, Json]]:
    """What belongs on the report's first page: the objectives, the budgets over time, where they went, latency."""
    if not judged:
        return []
    shown: list[dict[str, Json]] = [
        {"kind": "table", "title": "Objectives", "data": budgets(judged)},
        {"kind": "burn_down", "title": "Error budget left", "data": burn_down(judged, evidence)},
    ]
    where = where_it_went(judged, evidence)
    if where["rows"]:
        shown.append({"kind": "table", "title": "Where the budget went", "data": where})
    return shown + [
        {"kind": "level_latency", "title": each.level.name, "data": latency_over_time(each, evidence)}
        for each in judged
        if each.level.objective["kind"] == "latency" and each.level.look is not None
    ]


def marks(evidence: Evidence, service: str | None = None) -> list[dict[str, Json]]:
    """Deployments to be marked: of one part, or of all that an objective is about."""
    services = [service] if service else list(dict.fromkeys(each["service"] for each in evidence.objectives()))
    since = evidence.window.as_dict()["since"]
    return [
        {"at": row["ready_at"] or row["at"], "label": f"{part} {commit_or_id(row)[:7]}"}
        for part in services
        for row in deployments_of(evidence.changes, part)
        if row["at"] >= since
    ]


def sentence(judged: Sequence[JudgedLevel]) -> str:
    """One sentence on all of them."""
    missed = [each.level.name for each in judged if each.fault]
    unknown = [each.level.name for each in judged if each.blind]
    met = len(judged) - len(missed) - len(unknown)
    said = [f"{met} of {len(judged)} objectives are met"]
    said += [f"broken: {', '.join(missed)}"] if missed else []
    said += [f"not to be told: {', '.join(unknown)}"] if unknown else []
    return "; ".join(said) + "."


def routes(evidence: Evidence) -> Json:
    """Rules by name and severity with whom they reach; then the platforms'."""
    rows: list[list[Json]] = []
    routing = record_of(find(evidence.rules, "alertmanager", "routing"), AlertRouting)
    for guard in guards_of(evidence, levels_named(evidence)):
        told = None
        if routing:
            ways = reached(routing["route"], guard.labels)
            told = ", ".join(dict.fromkeys(_way_words(way, routing["receivers"]) for way in ways))
        rule = guard.rule
        rows.append([guard.level.name, guard.name, rule["health"], rule["state"], rule["evaluated_at"], told])
    for look in evidence.rules:
        if look.source in ("vercel", "railway") and look.status.answered:
            where = f"{look.source} {look.arguments.get('part', '')}".strip()
            for each in platform_rules(look):
                rows.append(
                    [None, f"{where}: {', '.join(each['types'])}", None, None, None, ", ".join(each["channels"])]
                )
    return {"columns": ["objective", "rule", "health", "state", "evaluated_at", "reaches"], "rows": rows}


def _way_words(way: AlertRoute, receivers: Mapping[str, Sequence[str]]) -> str:
    """A receiver, its integrations, and when it is told nothing."""
    name, timed = way["receiver"], ", ".join(way["timed_by"])
    return (
        f"{name} ({', '.join(receivers.get(name, ())) or 'nobody'}{f'; muted by the clock: {timed}' if timed else ''})"
    )


def routes_sentence(found: Sequence[Finding]) -> str:
    """One sentence on rules and routes."""
    return (
        "; ".join(each.summary for each in found[:3]) + "."
        if found
        else "Rules and routes are as the team's file wants them."
    )


def fired(evidence: Evidence) -> Json:
    """What fired in the period."""
    held = record_of(find(evidence.fired, "prometheus", "alerts_fired"), FiredAlerts)
    rows = [
        [each["name"], each["severity"], to_iso(from_epoch_s(each["since_s"])), each["until_s"] - each["since_s"]]
        for each in (held["fired"] if held else ())
    ]
    return {"columns": ["alert", "severity", "fired_at", "for_s"], "rows": rows}


def fired_sentence(evidence: Evidence) -> str:
    """One sentence on what fired, and how far back that is known."""
    look = find(evidence.fired, "prometheus", "alerts_fired")
    held = record_of(look, FiredAlerts)
    if held is None:
        return f"What fired could not be seen: {look.why or look.status}." if look is not None else "Nobody was asked."
    known = held["kept_since_s"]
    back = f"; known back to {clock_words(known)}" if known else ""
    count, step_s = len(held["fired"]), held["step_s"]
    return f"{count} alerts fired in the period (shorter ones than {step_s} s may be missing){back}."


def tested_sentence(evidence: Evidence) -> str:
    """One sentence on each test alert."""
    said = []
    for look in evidence.tested:
        name = f"{look.arguments['labels'].get('severity')}"
        sent = record_of(look, TestedAlert)
        if sent is None:
            said.append(f"{name}: {look.why or look.status}")
            continue
        to = ", ".join(sent["receivers"]) or "nobody"
        taken = ", ".join(kind for kind, count in (sent["taken"] or {}).items() if count)
        what = f"taken by {taken}" if taken else f"{sent['state']}, not known to have been taken"
        said.append(f"{name} to {to}: {what}")
    return "; ".join(said) + "."
