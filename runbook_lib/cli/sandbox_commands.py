"""`sandbox up|status|visit|break|inject|heal|down`: a small NexusCore that breaks on command."""

import signal
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from types import FrameType

    from runbook_lib.sandbox import Sandbox

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Name = Annotated[str, typer.Option("--name", help="Which sandbox, when several are up.")]
Words = Annotated[list[str] | None, typer.Argument(help="Arguments as name=value; lists and objects as JSON.")]


class _WithPrimitives(TyperCommand):
    """A command whose help ends with every primitive, its arguments and what it does."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The usual help, then the primitives."""
        from runbook_lib.sandbox.extra import need_sandbox

        need_sandbox("The primitives cannot be told")
        from runbook_lib.sandbox.primitives import calls as primitive_calls

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
    uninstrumented: Annotated[
        str, typer.Option(help="nothing, gateway or everything: what runs without OpenTelemetry.")
    ] = "nothing",
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
        uninstrumented=uninstrumented,
        gateway_platform=gateway_platform,
        api_platform=api_platform,
        webhooks=webhooks,
        seed=seed,
        foreground=foreground,
    )
    seconds = round(time.monotonic() - started, 2)
    places = {part: sandbox.endpoints[part] for part in ("web", "api", "gateway")}
    if as_json:
        printing.print_json({"name": name, "up_s": seconds, "env_file": str(sandbox.env_file), **places})
    else:
        printing.print_result(f"sandbox {name} is up after {seconds:.1f} s")
        for part, url in places.items():
            printing.print_result(f"  {part:8} {url}")
        printing.print_note(f"settings: {sandbox.env_file}")
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
        printing.print_json({**found, "running": sandbox.running(), "organizations": sandbox.organizations})
        return
    rows = [[part, row["platform"], row["url"], _word(row["running"])] for part, row in found["parts"].items()]
    rows += [[part, "", row["url"], _word(row["running"])] for part, row in sorted(found["servers"].items())]
    rows.append(["postgres", "", f"127.0.0.1:{found['postgres']['port']}", _word(found["postgres"]["running"])])
    printing.print_table(["part", "platform", "address", "state"], rows)
    for each in sandbox.organizations:
        printing.print_result(f"{each['name']} ({each['plan']}): {', '.join(each['members'])}")
    printing.print_result(
        f"{found['requests']} requests, {found['spans']} spans, {found['traffic_per_s']:g} visits a second"
    )
    for row in found["injected"]:
        given = " ".join(f"{key}={value}" for key, value in row["arguments"].items())
        printing.print_result(f"injected: {row['primitive']} {given}")


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
        printing.print_json(got)
        return
    printing.print_result(
        f"{got['status']} {got['error'] or ''} in {got['elapsed_s']} s, request {got['request_id']}".strip()
    )
    printing.print_result(got["body"][:2000])


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
    from runbook_lib.sandbox.extra import need_sandbox

    need_sandbox("The sandbox cannot be broken")
    from runbook_lib.cli import printing
    from runbook_lib.drills.kit import faults
    from runbook_lib.drills.kit.injection import bring_about

    fault = faults.find(code)
    told = bring_about(_attach(name), code, variant, act=act)
    if as_json:
        printing.print_json(told)
        return
    chosen = told["variant"]
    printing.print_result(f"broken: {code}" + ("" if chosen == next(iter(fault.variants)) else f" ({chosen})"))
    for word in ("strikes", "done", "told", "see"):
        if told[word]:
            printing.print_result(f"  {word:8} {told[word]}")
    if told["unproven"]:
        printing.print_note(f"note: {told['unproven']}")


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
    from runbook_lib.core.errors import UsageError
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

    from runbook_lib.core.errors import UsageError

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
        printing.print_json(data)
    else:
        printing.print_result(text)


def _word(is_running: bool) -> str:
    return "up" if is_running else "down"


def _leave(number: int, frame: "FrameType | None") -> None:  # noqa: ARG001
    raise SystemExit(128 + number)
