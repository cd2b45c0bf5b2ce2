"""One step of a procedure: its question, the one sentence on what was seen, the exhibits, and the looks that carry it."""

from typing import TYPE_CHECKING

from runbook_lib.show.display import Display
from runbook_lib.show.evidence import evidence_lines, evidence_table
from runbook_lib.show.exhibits import exhibit
from runbook_lib.show.html import join, tag
from runbook_lib.show.text import one_line

if TYPE_CHECKING:
    from runbook_lib.procedures.base import StepView


def step_view(view: "StepView") -> Display:
    """A step for reading: question, sentence, exhibits, evidence table."""
    exhibits = [exhibit(each) for each in view.exhibits]
    plain = [one_line(view.question), f"  {one_line(view.said)}"]
    for each in exhibits:
        plain += ["", each.plain]
    if view.observations:
        plain += ["", *evidence_lines(view.observations)]
    body = join(
        [
            tag("h3", view.question),
            tag("p", tag("strong", view.said)),
            [each.body for each in exhibits],
            tag("h4", "Evidence"),
            evidence_table(view.observations),
        ]
    )
    return Display("\n".join(plain), body)
