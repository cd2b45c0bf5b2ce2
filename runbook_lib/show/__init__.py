"""What a run shows: displayables of steps, exhibits, verdicts and targets. They decide nothing and escape everything."""

from runbook_lib.show.exhibits import exhibit
from runbook_lib.show.step import step_view
from runbook_lib.show.target import target_banner
from runbook_lib.show.verdict import verdict_card
from runbook_lib.show.verdict_text import verdict_text

__all__ = ["exhibit", "step_view", "target_banner", "verdict_card", "verdict_text"]
