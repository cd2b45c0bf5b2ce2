"""The plan exhibit: what would be done, request by request, with the hash that an approval is bound to. It does nothing."""

from collections.abc import Mapping

from runbook_lib.core.model import Json
from runbook_lib.show.display import Display
from runbook_lib.show.html import AMBER, band, join, muted, preformatted, rows_table, tag
from runbook_lib.show.text import NOTHING, one_line

HEADINGS = ("", "where", "request", "now", "then")


def plan(data: Mapping[str, Json]) -> Display:
    """A plan as `diagnose.plan.Plan.as_data` gives it. What is not known is a dash, never an empty cell."""
    steps = [_texts(step) for step in data.get("steps") or ()]
    title, digest = one_line(str(data["title"])), str(data["sha256"])
    notes = [
        f"{word}: {one_line(str(data[name]))}"
        for name, word in (("back", "Taken back by"), ("not_undone", "Not undone"))
        if data.get(name)
    ]
    head = f"Plan, not carried out: {title}"
    plain = [head]
    for number, (where, request, before, after) in enumerate(steps, 1):
        plain += [f"  {number}. {where}", *(f"     {line}" for line in request.splitlines())]
        plain += [f"     now: {one_line(before)} · then: {one_line(after)}"]
    plain += [f"  {note}" for note in notes]
    plain.append(f"  plan {digest}")
    rows = [
        ((str(number), where, preformatted(request), before, after), None, None)
        for number, (where, request, before, after) in enumerate(steps, 1)
    ]
    body = band(
        AMBER,
        tag("p", tag("strong", head)),
        rows_table(HEADINGS, rows),
        [tag("p", note) for note in notes],
        tag("p", muted(f"plan {digest}")),
    )
    return Display("\n".join(plain), join(body))


def _texts(step: Mapping[str, Json]) -> tuple[str, str, str, str]:
    def text(name: str) -> str:
        value = step.get(name)
        return NOTHING if value is None or value == "" else str(value)

    return text("where"), text("request"), text("before"), text("after")
