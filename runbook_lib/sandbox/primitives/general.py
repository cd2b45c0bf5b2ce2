"""The general ways of breaking the sandbox: each can be used from Python (`Sandbox.inject`) and from the command line.

A primitive acts on the whole system inside the supervisor and leaves behind how it is undone; `heal` undoes all of them.
Nothing on the wire, in a log or in a part's environment says that or which primitive was used.
A fault that nobody named is a few of these together; a named one (`faults/`) is nothing else.
"""

import contextlib
import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.apps.tampering import Bug, SpanRule
from runbook_lib.sandbox.primitives.ageing import make_older
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.dials import set_dial
from runbook_lib.sandbox.primitives.overrides import Override
from runbook_lib.sandbox.primitives.processes import process
from runbook_lib.sandbox.primitives.registry import primitive
from runbook_lib.sandbox.world import LogLine


@primitive
async def http(
    breakage: Breakage,
    part: str,
    path: str = "*",
    method: str = "*",
    status: int | None = None,
    body: str | None = None,
    headers: dict[str, str] | None = None,
    latency_s: float = 0.0,
    drip_bytes_per_s: float | None = None,
    hang: bool = False,
    reset: bool = False,
    refuse: bool = False,
    truncate_bytes: int | None = None,
    body_contains: str = "",
    count: int | None = None,
    probability: float = 1.0,
) -> None:
    """Any HTTP part answers badly, slowly, half, or not at all.

    part: web, api, gateway (the app behind its edge), web-edge, api-edge, gateway-edge, or a façade: vercel,
    railway, fly, supabase, supabase-management, stripe, openai, anthropic, together, status, tempo, jaeger, otlp.
    path, method: globs of what is struck. status, body, headers: the answer given instead (headers alone are added
    to the part's own answer). latency_s: wait first. drip_bytes_per_s: send that slowly. hang: never answer.
    reset: cut the connection. refuse: nothing listens any more (the whole part). truncate_bytes: break off after so
    much of the body. body_contains: strike only requests that hold this text. count, probability: strike only the
    first so many, or this share.
    """
    if refuse:
        await process(breakage, part)
        return
    override = Override(
        path=path,
        method=method,
        body_contains=body_contains,
        status=status,
        body=body,
        headers=headers or {},
        latency_s=latency_s,
        drip_bytes_per_s=drip_bytes_per_s,
        hang=hang,
        reset=reset,
        truncate_bytes=truncate_bytes,
        count=count,
        probability=probability,
    )
    aim = Override(path=path, method=method, body_contains=body_contains, count=count, probability=probability)
    if override == aim:
        raise UsageError("An http fault needs something to do", do_next="Give status, body, latency_s, hang, reset …")
    await breakage.override(part, override)


@primitive
async def env(
    breakage: Breakage,
    part: str,
    name: str,
    value: str | None = None,
    restart: bool = True,
    targets: list[str] | None = None,
) -> None:
    """A variable of web, api or gateway is set, or unset (no value).

    The platform's list of variables shows the change and its time. restart: the part is deployed again and runs with
    it; else the running process still has the old one. targets: for these of the platform's alone (production, preview);
    without a value, what it holds is kept for them.
    """
    await breakage.set_variable(part, name, value, restart, targets)


@primitive
async def clock(breakage: Breakage, part: str, shift_s: float) -> None:
    """A clock is shifted by so many seconds; ahead is positive.

    part: web, api or gateway (its spans, log lines and signature checks), or facades (every vendor's API at once).
    """
    if part == "facades":
        shift = timedelta(seconds=shift_s)
        await breakage.replace_attribute(breakage.system.world, "now", lambda: datetime.now(UTC) + shift)
    else:
        await breakage.tamper(part, clock_shift_s=shift_s)


@primitive
async def spans(
    breakage: Breakage,
    part: str,
    name: str = "*",
    scope: str = "*",
    drop: bool = False,
    rename: str = "",
    drop_attributes: list[str] | None = None,
    set_attributes: dict[str, Any] | None = None,
    lose_parent: bool = False,
    unsampled: float = 0.0,
    ignore_traceparent: bool = False,
    send_no_traceparent: bool = False,
) -> None:
    """Spans of web, api or gateway are dropped, renamed, stripped, unsampled, or lose their parent.

    name, scope: globs of the spans meant by drop, rename, drop_attributes (globs), set_attributes and lose_parent.
    unsampled: the share of traces that the part leaves out (1 is all; the flag goes on to its callees).
    ignore_traceparent: the part starts a trace of its own for every request. send_no_traceparent: its calls carry no
    trace context.
    """
    rule = SpanRule(name, scope, drop, rename, drop_attributes or [], set_attributes or {}, lose_parent)
    wanted = {
        "span_rules": [*breakage.tampering(part).span_rules, rule] if rule != SpanRule(name, scope) else None,
        "unsampled": unsampled,
        "ignores_traceparent": ignore_traceparent,
        "sends_no_traceparent": send_no_traceparent,
    }
    await breakage.tamper(part, **_some("spans", wanted, "drop, rename, unsampled, lose_parent …"))


@primitive
async def code(
    breakage: Breakage,
    part: str,
    route: str = "*",
    raise_type: str = "",
    raise_message: str = "",
    delay_s: float = 0.0,
    recorded_as: str = "event",
    after_reply: bool = False,
    count: int | None = None,
    probability: float = 1.0,
    timeout_s: float | None = None,
    attempts: int | None = None,
    no_backoff: bool = False,
    backoff_s: float | None = None,
    no_fallback: bool = False,
) -> None:
    """A bug in the code of web, api or gateway.

    route: glob of the routes that are struck. raise_type, raise_message: an exception of the part's own. recorded_as:
    event, attributes or status. after_reply: raised after a stream's first piece. delay_s: time wasted in the handler.
    count, probability: strike only the first so many, or this share. timeout_s: the part's HTTP client gives up after
    this. Of the gateway only: attempts of each provider, no_backoff between them, or the same backoff_s each time,
    no_fallback to the next one.
    """
    if recorded_as not in ("event", "attributes", "status"):
        raise UsageError("recorded_as is event, attributes or status", came_back=recorded_as)
    bug = Bug(route, raise_type, raise_message, delay_s, recorded_as, count, probability, after_reply)
    wanted = {
        "bugs": [*breakage.tampering(part).bugs, bug] if raise_type or delay_s else None,
        "timeout_s": timeout_s,
        "attempts": attempts,
        "no_backoff": no_backoff,
        "constant_backoff_s": backoff_s,
        "no_fallback": no_fallback,
    }
    await breakage.tamper(part, **_some("code", wanted, "raise_type, delay_s, timeout_s, attempts …"))


@primitive
async def edge(
    breakage: Breakage,
    part: str,
    time_limit_s: float | None = None,
    deny: str = "",
    protect: bool = False,
    out_of_memory: str = "",
    missing: bool = False,
) -> None:
    """The platform in front of web, api or gateway ends or refuses requests.

    time_limit_s: ends functions after this. deny: glob of paths that its firewall refuses. protect: asks for a login
    of its own. out_of_memory: glob of paths whose function is killed for its memory. missing: the host name leads to
    no deployment.
    """
    rules = breakage.edge_of(part).rules
    wanted = {
        "time_limit_s": time_limit_s,
        "denied": [*rules.denied, deny] if deny else None,
        "is_protected": protect,
        "out_of_memory": [*rules.out_of_memory, out_of_memory] if out_of_memory else None,
        "is_missing": missing,
    }
    changes = _some("edge", wanted, "time_limit_s, deny, protect, out_of_memory or missing")
    await breakage.replace_attribute(breakage.edge_of(part), "rules", replace(rules, **changes))


@primitive
async def deploy(
    breakage: Breakage,
    part: str,
    state: str = "",
    commit_sha: str = "",
    branch: str = "main",
    message: str = "",
    error: str | None = None,
    serve: bool = True,
    minutes_ago: float = 0.0,
    build_log: list[str] | None = None,
    failed_step: str = "",
) -> str:
    """A new deployment of web, api or gateway.

    state: the platform's word (READY, ERROR, SUCCESS, FAILED, CRASHED …; empty is a good one). serve: the part is
    restarted from it, so that its id shows in spans and logs; a bad one never serves, nor does one of a branch other than
    main on Vercel: a preview. build_log: what the build wrote. failed_step: the platform's word for where it stopped.
    Returns the deployment's id.
    """
    return await breakage.deploy(
        part, state, commit_sha, branch, message, error, serve, minutes_ago, build_log, failed_step or None
    )


@primitive
async def store(
    breakage: Breakage,
    delay_s: float | None = None,
    retention_s: float | None = None,
    forget: str = "",
    monitor: bool | None = None,
) -> None:
    """The trace store takes in late, keeps short, or forgets.

    delay_s: spans can be seen only so long after they arrived. retention_s: traces are gone so long after they ended.
    forget: a trace id, or "all" (what is forgotten does not come back when healed). monitor: Jaeger has a metrics store.
    """
    held = breakage.system.store
    if delay_s is not None:
        await breakage.replace_attribute(held, "ingest_delay_s", delay_s)
    if retention_s is not None:
        await breakage.replace_attribute(held, "retention_s", retention_s)
    if monitor is not None:
        await breakage.replace_attribute(held, "has_monitor", monitor)
    if forget:
        held.forget(None if forget == "all" else forget)


@primitive
async def traffic(breakage: Breakage, rate_per_s: float = 0.0, actions: list[str] | None = None) -> None:
    """The background traffic changes its rate (0 stops it), or does these actions only."""
    noise = breakage.system.traffic
    unknown = set(actions or ()) - set(noise.actions)
    if unknown or actions == []:
        raise UsageError(f"actions are of: {', '.join(noise.actions)}", came_back=", ".join(sorted(unknown)))
    await breakage.replace_attribute(noise, "rate_per_s", rate_per_s)
    if actions is not None:
        await breakage.replace_attribute(noise, "actions", tuple(actions))


@primitive
async def dial(breakage: Breakage, of: str, field: str, value: Any) -> None:
    """A vendor's façade behaves otherwise: one of its own dials is turned.

    of: openai, anthropic or together (ProviderState), or a façade's state: VercelState, RailwayState, FlyState,
    SupabaseState, StripeState, StatusPages. field: its name; dots lead inwards (rest.pool_size), and into a mapping
    by key (model_modes.gpt-4o-mini). value: as JSON.
    """
    state = breakage.system.facade_state(of)
    first = field.partition(".")[0]
    if first not in vars(state):
        raise UsageError(f"{of} has no dial {first}", do_next=f"Known: {', '.join(vars(state))}.")
    await breakage.replace_attribute(state, first, copy.deepcopy(vars(state)[first]))
    set_dial(state, of, field, value)


@primitive
async def log(
    breakage: Breakage,
    part: str,
    level: str,
    message: str,
    minutes_ago: float = 0.0,
    attributes: dict[str, Any] | None = None,
) -> None:
    """A line in the platform's log of web, api or gateway that belongs to no request: noise, or a hint of something."""
    running, world = breakage.part(part), breakage.system.world
    line = LogLine(
        platform=running.platform,
        part=part,
        at=world.now() - timedelta(minutes=minutes_ago),
        level=level,
        message=message,
        attributes=attributes or {},
        deployment_id=running.deployment_id,
        instance=running.instance,
    )

    async def undo() -> None:
        with contextlib.suppress(ValueError):
            world.logs.remove(line)

    breakage.on_heal(undo)
    place = sum(1 for earlier in world.logs if earlier.at <= line.at)
    world.logs.insert(place, line)


@primitive
async def age(breakage: Breakage, by_s: float) -> None:
    """Time passes: every request, log line and span so far becomes so many seconds older. Healing does not undo it."""
    make_older(breakage.system, by_s)


def _some(name: str, wanted: dict[str, Any], hint: str) -> dict[str, Any]:
    """The wishes that ask for something; UsageError when none does."""
    found = {key: value for key, value in wanted.items() if value}
    if not found:
        raise UsageError(f"A fault of {name} needs something to do", do_next=f"Give {hint}.")
    return found
