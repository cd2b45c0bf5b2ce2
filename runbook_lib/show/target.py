"""Which system this is about, large: nobody should take the sandbox for the live system, or the reverse."""

from collections.abc import Sequence

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.show.display import Display
from runbook_lib.show.html import AMBER, BLUE, RED, Child, Html, band, chip, join, tag
from runbook_lib.show.text import format_duration, format_moment, one_line, shorten


def target_line(target: object, *, live: bool) -> Html:
    """The target's name, large, with a label that says whether it is a live system."""
    label = chip("LIVE SYSTEM", RED, solid=True) if live else chip("not live", BLUE, solid=True)
    name = tag("span", one_line(target, 80), style="font-size:1.9em;font-weight:700;line-height:1.2")
    return tag("div", name, " ", label)


def target_banner(
    target: str, window: Window | None, incident: str, run_id: str, live: bool, warnings: Sequence[str] = ()
) -> Display:
    """What opening a run shows: target, window, incident, run id, and what deserves a warning.

    Args:
        target: `sandbox`, `live` or any other target's name.
        window: the time that the run is about; None where the procedure looks at the present only.
        incident: the incident's name.
        run_id: the run's id.
        live: whether the target is anything but a sandbox.
        warnings: sentences; each is shown on a line of its own.
    """
    span = "now"
    if window is not None:
        length = format_duration(window.seconds * 1000)
        span = f"{format_moment(to_iso(window.since))} to {format_moment(to_iso(window.until))} ({length})"
    facts = [("window", span), ("incident", one_line(incident, 80)), ("run", one_line(run_id, 80))]
    cautions = [shorten(warning, 600) for warning in warnings]
    plain = [f"target {one_line(target, 80)}{'  LIVE SYSTEM' if live else '  (not live)'}"]
    plain += [f"  {name:<9} {value}" for name, value in facts] + [f"  ! {caution}" for caution in cautions]
    told: list[Child] = []
    for name, value in facts:
        told += [" · " if told else "", f"{name} ", tag("strong", value)]
    body = band(RED if live else BLUE, target_line(target, live=live), tag("div", told))
    return Display("\n".join(plain), join([body, [band(AMBER, tag("strong", "⚠ "), caution) for caution in cautions]]))
