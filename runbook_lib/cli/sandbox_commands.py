"""`sandbox up|status|visit|break|inject|heal|down`: a small NexusCore that breaks on command."""

import os
import shlex
import signal
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from types import FrameType

    from runbook_lib.drills.case import Case
    from runbook_lib.sandbox import Sandbox
    from runbook_lib.sandbox.faults.fault import Variant

_PLATFORMS = ("gateway_platform", "api_platform", "webhooks")
_ARRIVED_S = 2.0  # a sandbox's settings say that spans take as long
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Name = Annotated[str, typer.Option("--name", help="Which sandbox, when several are up.")]
Words = Annotated[list[str] | None, typer.Argument(help="Arguments as name=value; lists and objects as JSON.")]


class _WithPrimitives(TyperCommand):
    """A command whose help ends with every primitive, its arguments and what it does."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The usual help, then the primitives."""
        from runbook_lib.sandbox import primitive_calls

        super().format_help(ctx, formatter)
        formatter.write("\nPrimitives (arguments in brackets may be left out and show their default):\n")
        for name, arguments, text in primitive_calls.describe():
            formatter.write(f"\n{name} {arguments}\n")
            formatter.write("".join(f"    {line}\n" for line in text.splitlines() if line))


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="A small NexusCore that breaks on command.", no_args_is_help=True)
    group.command("up")(up)
    group.command("status")(status)
    group.command("visit")(visit)
    group.command("break")(break_)
    group.command("inject", cls=_WithPrimitives)(inject)
    group.command("heal")(heal)
    group.command("down")(down)
    app.add_typer(group, name="sandbox")


def up(
    name: Name = "default",
    standard_ports: Annotated[
        bool, typer.Option("--standard-ports", help="web, API, gateway on 3000, 3001, 8000.")
    ] = False,
    traffic: Annotated[bool, typer.Option(help="Steady background traffic.")] = True,
    schema: Annotated[
        str | None, typer.Option(help="A schema file to load, unchanged, in place of the own one.")
    ] = None,
    service_names: Annotated[str, typer.Option(help="one or several: service.name of the parts.")] = "one",
    trace_backend: Annotated[str, typer.Option(help="tempo, jaeger, both or none.")] = "tempo",
    semconv: Annotated[str, typer.Option(help="new or old: names of span attributes.")] = "new",
    gateway_platform: Annotated[str, typer.Option(help="railway or fly.")] = "railway",
    api_platform: Annotated[str, typer.Option(help="vercel or railway.")] = "vercel",
    webhooks: Annotated[str, typer.Option(help="endpoint or cli: how Stripe's events come.")] = "endpoint",
    seed: Annotated[int | None, typer.Option(help="Makes people, ids and traffic repeatable.")] = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay until Ctrl-C, then take it down.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a sandbox; returns when it is healthy."""
    from runbook_lib.cli import printing
    from runbook_lib.sandbox import Sandbox

    signal.signal(signal.SIGTERM, _leave)  # so that an interrupted start cleans up after itself
    started = time.monotonic()
    sandbox = Sandbox.up(
        name,
        standard_ports=standard_ports,
        traffic=traffic,
        schema=schema,
        service_names=service_names,
        trace_backend=trace_backend,
        semconv=semconv,
        gateway_platform=gateway_platform,
        api_platform=api_platform,
        webhooks=webhooks,
        seed=seed,
        foreground=foreground,
    )
    seconds = round(time.monotonic() - started, 2)
    places = {part: sandbox.endpoints[part] for part in ("web", "api", "gateway")}
    if as_json:
        printing.as_json({"name": name, "up_s": seconds, "env_file": str(sandbox.env_file), **places})
    else:
        printing.result(f"sandbox {name} is up after {seconds:.1f} s")
        for part, url in places.items():
            printing.result(f"  {part:8} {url}")
        printing.note(f"settings: {sandbox.env_file}")
    if foreground:
        try:
            sandbox.wait()
        finally:
            sandbox.down()


def status(name: Name = "default", as_json: AsJson = False) -> None:
    """What runs where, and what is injected."""
    from runbook_lib.cli import printing

    sandbox = _attach(name)
    found = sandbox.status()
    if as_json:
        printing.as_json({**found, "running": sandbox.running(), "organizations": sandbox.organizations})
        return
    rows = [[part, row["platform"], row["url"], _word(row["running"])] for part, row in found["parts"].items()]
    rows += [[part, "", row["url"], _word(row["running"])] for part, row in sorted(found["servers"].items())]
    rows.append(["postgres", "", f"127.0.0.1:{found['postgres']['port']}", _word(found["postgres"]["running"])])
    printing.table(["part", "platform", "address", "state"], rows)
    for each in sandbox.organizations:
        printing.result(f"{each['name']} ({each['plan']}): {', '.join(each['members'])}")
    printing.result(f"{found['requests']} requests, {found['spans']} spans, {found['traffic_per_s']:g} visits a second")
    for row in found["injected"]:
        given = " ".join(f"{key}={value}" for key, value in row["arguments"].items())
        printing.result(f"injected: {row['primitive']} {given}")


def visit(
    action: Annotated[str, typer.Argument(help="chat, dashboard, usage, home or checkout.")] = "chat",
    arguments: Words = None,
    name: Name = "default",
    as_json: AsJson = False,
) -> None:
    """Do what somebody in a browser does, and show what they get: user=… org=… session=… message=… stream=true …"""
    from runbook_lib.cli import printing

    got = _attach(name).visit(action, **_pairs(arguments, as_values=True))
    if as_json:
        printing.as_json(got)
        return
    printing.result(
        f"{got['status']} {got['error'] or ''} in {got['elapsed_s']} s, request {got['request_id']}".strip()
    )
    printing.result(got["body"][:2000])


def break_(
    code: Annotated[str, typer.Argument(help="A cause's code, such as request.db_failed.")],
    variant: Annotated[
        str, typer.Option(help="One of several ways to bring it about; the first that this sandbox can carry.")
    ] = "",
    act: Annotated[bool, typer.Option("--act/--no-act", help="Also do what a user does to run into it.")] = True,
    name: Name = "default",
    as_json: AsJson = False,
) -> None:
    """Inject the named fault of a cause's code, run into it as a user does, and say how to find it."""
    from runbook_lib.cli import printing
    from runbook_lib.sandbox import faults
    from runbook_lib.sandbox.faults.failed_request_parts import make_history

    fault = faults.find(code)
    sandbox = _attach(name)
    chosen = fault.fitting(sandbox, variant)
    case = _drill_of(fault.variant(chosen), sandbox.options)
    if case and case.calm and act:
        make_history(sandbox)  # what is unusual is so beside ordinary requests, of which a young sandbox has few
    since = datetime.now(UTC)
    sandbox.break_(code, variant=chosen)
    is_usual = chosen == next(iter(fault.variants))
    told: dict[str, Any] = {"broken": code, "variant": chosen, **_shown(sandbox, code, chosen, since, act)}
    told["unproven"] = _unproven(fault.variant(chosen), sandbox.options)
    if as_json:
        printing.as_json(told)
        return
    printing.result(f"broken: {code}{'' if is_usual else f' ({chosen})'}")
    for word in ("strikes", "done", "told", "see"):
        if told[word]:
            printing.result(f"  {word:8} {told[word]}")
    if told["unproven"]:
        printing.note(f"note: {told['unproven']}")


def _shown(sandbox: "Sandbox", code: str, variant: str, since: datetime, act: bool) -> dict[str, str]:
    """Whom a fault that is on strikes, what a user did to run into it, what the runbook was told for it, and the command that
    finds it: as its drill does and asks. Each empty where there is nothing to say."""
    from runbook_lib.sandbox import faults

    fault = faults.find(code)
    case = _drill_of(fault.variant(variant), sandbox.options)
    settings = fault.variant(variant).settings
    got: dict[str, Any] = {}
    if act:
        got = (case.exercise if case and case.exercise else fault.variant(variant).exercise)(sandbox)
        # whoever asks at once is told that spans and lines may still come
        time.sleep(max(case.settle_s if case else 0.0, _ARRIVED_S if got and "asked" not in got else 0.0))
    asked = dict(case.ask(sandbox, got, since)) if case and act else {}
    here = "" if sandbox.name == "default" else f"RUNBOOK_SANDBOX={sandbox.name} "
    words = "".join(f" -p {shlex.quote(f'{key}={_kept(sandbox, value)}')}" for key, value in asked.items())
    return {
        "strikes": _whom(sandbox, {**asked, **got.get("who", {}), **got.get("asked", {})}),
        "done": _deed(got),
        "told": f"the runbook's settings were changed: {', '.join(settings)}; `heal` changes them back"
        if settings
        else "",
        "see": f"{here}runbook run {case.procedure}{words}" if case and act else "",
    }


def _drills_of(wanted: "Variant") -> list["Case"]:
    """The drill cases in which a fault's variant is on alone, under its own code or one that stands for it."""
    from runbook_lib.drills.listed import CASES
    from runbook_lib.sandbox import faults

    alone = (case for case in CASES if len(case.faults) == 1 and case.kind in ("fault", "healthy", "decoy"))
    return [case for case in alone if faults.find(case.faults[0].code).variant(case.faults[0].variant) is wanted]


def _drill_of(wanted: "Variant", options: dict[str, Any]) -> "Case | None":
    """The one whose way to run into the fault and to ask is shown: of the sandbox's own kind where there is one."""
    from runbook_lib.drills.case import KINDS

    def rank(case: "Case") -> tuple[int, bool, int]:
        unlike = sum(options.get(key) != value for key, value in case.options.items() if key != "traffic")
        return KINDS.index(case.kind), bool(case.before or case.after), unlike

    return min(_drills_of(wanted), key=rank, default=None)


def _unproven(wanted: "Variant", options: dict[str, Any]) -> str:
    """A warning where no drill has shown the fault on such platforms: what is found there may be something else."""
    from runbook_lib.sandbox.options import Options

    def kind(given: dict[str, Any]) -> tuple[Any, ...]:
        return (*(given[name] for name in _PLATFORMS), given["trace_backend"] == "none", given["schema"] is None)

    usual = Options().as_dict()
    # where no step breaks anything, the kind of sandbox is in nothing's way
    if not wanted.steps or any(kind({**usual, **case.options}) == kind(options) for case in _drills_of(wanted)):
        return ""
    here = ", ".join(f"{name.replace('_', ' ')} {options[name]}" for name in usual if options[name] != usual[name])
    return f"no drill has shown it in a sandbox with {here}; the procedure may rightly find something else, or nothing"


def _whom(sandbox: "Sandbox", asked: dict[str, Any]) -> str:
    """The person and the organization, by name, that a fault is about."""
    names = {str(each["id"]): str(each["name"]) for each in sandbox.organizations}
    org = str(asked.get("org", ""))
    found = [str(asked.get("user", "")), f"{names.get(org, org)}" if org else ""]
    return " of ".join(each for each in found if each)


def _deed(got: dict[str, Any]) -> str:
    """In a few words what a user did, or Stripe."""
    if got.get("event"):
        return f"Stripe told of {got['event']}"
    if "status" in got:
        return f"a user's request {got['request_id'] or '(no id)'}: {got['status'] or got['error']}"
    return ""


def _kept(sandbox: "Sandbox", value: Any) -> str:
    """A parameter as another process can read it: a secret that this one holds is put into a file beside the settings."""
    from runbook_lib.sandbox.home import write_private

    kind, _, variable = str(value).partition(":")
    if kind != "env" or variable not in os.environ:
        return str(value)
    path = sandbox.env_file.with_name(f"{variable.lower()}.secret")
    write_private(path, os.environ[variable])
    return f"file:{path}"


def inject(
    primitive: Annotated[str, typer.Argument(help="One of the primitives below.")],
    arguments: Words = None,
    name: Name = "default",
    as_json: AsJson = False,
) -> None:
    """Use a general fault primitive: runbook sandbox inject http part=openai status=503"""
    result = _attach(name).inject(primitive, **_pairs(arguments))
    _done(
        f"injected: {primitive}{f' ({result})' if result else ''}", {"injected": primitive, "result": result}, as_json
    )


def heal(name: Name = "default", as_json: AsJson = False) -> None:
    """Undo everything that was injected; returns when the sandbox is healthy."""
    _attach(name).heal()
    _done("healed", {"healed": True}, as_json)


def down(
    name: Name = "default",
    everything: Annotated[bool, typer.Option("--all", help="Every sandbox of this user and checkout.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take a sandbox down: no process and no file of it is left."""
    from runbook_lib.errors import UsageError
    from runbook_lib.sandbox import Sandbox

    names = Sandbox.running() if everything else [name]
    for each in names:
        try:
            sandbox = _attach(each)
        except UsageError as error:
            up = Sandbox.running()
            next_ = (
                "Name one of these with --name, or take all down with --all."
                if up
                else "There is nothing to take down."
            )
            raise UsageError(error.tried, where=error.where, came_back=error.came_back, do_next=next_) from error
        sandbox.down()
    _done(f"down: {', '.join(names) or 'none was up'}", {"down": names}, as_json)


def _attach(name: str) -> "Sandbox":
    """The handle of a sandbox that is up."""
    from runbook_lib.sandbox import Sandbox

    return Sandbox.attach(name)


def _pairs(words: list[str] | None, as_values: bool = False) -> dict[str, Any]:
    """name=value words as a dict. `as_values`: values that are JSON are read as such."""
    import json

    from runbook_lib.errors import UsageError

    found: dict[str, Any] = {}
    for word in words or []:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError("Arguments are given as name=value", came_back=word)
        found[key] = value
        if as_values:
            try:
                found[key] = json.loads(value)
            except ValueError:
                continue
    return found


def _done(text: str, data: dict[str, Any], as_json: bool) -> None:
    from runbook_lib.cli import printing

    if as_json:
        printing.as_json(data)
    else:
        printing.result(text)


def _word(is_running: bool) -> str:
    return "up" if is_running else "down"


def _leave(number: int, frame: "FrameType | None") -> None:  # noqa: ARG001
    raise SystemExit(128 + number)
