"""A procedure run without a kernel: for drills, for repetitions, and for replaying a record again and again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Conclusion, Json, Observation
from runbook_lib.core.redact import Redactor
from runbook_lib.io.observe import Observer
from runbook_lib.procedures.base import replay_steps
from runbook_lib.run.context import RunContext, new_context
from runbook_lib.run.home import Home
from runbook_lib.run.ids import default_incident, new_run_id
from runbook_lib.run.notebooks import find_template
from runbook_lib.run.opening import make_redactor, mask_parameters
from runbook_lib.run.parameters import check_parameters, declared_parameters
from runbook_lib.run.targets import Target
from runbook_lib.run.verdicts import conclude_cut_off, make_verdict, verdict_document


@dataclass(frozen=True)
class HeadlessRun:
    """What a run without a kernel brought: the verdict as verdict.json has it, what was seen, the facts for displays, and which run
    it was."""

    verdict: dict[str, Json]
    observations: tuple[Observation, ...]
    conclusion: Conclusion
    context: RunContext

    @property
    def executed(self) -> tuple[str, ...]:
        """The steps in the order in which they ran."""
        return self.context.executed


def run_procedure(
    procedure: str,
    parameters: Mapping[str, Json] | None = None,
    *,
    target: Target,
    incident: str | None = None,
    active: bool | None = None,
    deadline_s: float | None = None,
    home: Home | None = None,
) -> HeadlessRun:
    """Run a procedure against a target in this process; nothing is written.

    Args:
        procedure: its number or name.
        parameters: Python values by name; checked against the notebook's declared types, defaults filled in.
        target: see run.targets.resolve_target.
        incident: gives e-mail addresses their pseudonyms; defaults to the day's.
        active: whether looks that leave a mark are allowed; by default on the sandbox only.
        deadline_s: wall time for all looks together.
        home: where notebooks are; by default the checkout's.

    Raises:
        UsageError: no such procedure, or a parameter that does not fit.
    """
    home = home or Home.find()
    template = find_template(home, procedure)
    values = check_parameters(
        declared_parameters(template),
        parameters or {},
        from_text=False,
        redactor=Redactor(target.settings.secret_values()),
    )
    incident = incident or default_incident()
    redactor = make_redactor(target, incident, values)
    context = new_context(
        template.stem,
        incident=incident,
        target=target.name,
        parameters=mask_parameters(values, redactor),
        active=target.is_sandbox if active is None else active,
        deadline_s=deadline_s,
    ).changed(run=new_run_id())
    observer = Observer(
        now=from_iso(context.now),  # a run has one moment, and it is the recorded one
        settings=target.settings,
        redactor=redactor,
        active=context.active,
        deadline_s=deadline_s,
    )
    running = home.procedure(template.stem, values)(observer, values)
    conclusion = running.conclude()
    verdict = verdict_document(make_verdict(context, conclusion, observer, running.window), redactor)
    return HeadlessRun(
        verdict,
        tuple(observer.observations),
        conclusion,
        context.changed(executed=tuple(running.executed), state="done"),
    )


def replay_procedure(context: RunContext, record: Sequence[Observation], home: Home | None = None) -> HeadlessRun:
    """Reach the verdict of a recorded run again, from its record alone: no settings, no network, no clock."""
    redactor = Redactor()
    observer = Observer(now=from_iso(context.now), redactor=redactor, record=record, active=context.active)
    parameters = context.parameters
    running = (home or Home.find()).procedure(context.procedure, parameters)(observer, parameters)
    if context.state == "deadline":
        conclusion = conclude_cut_off(context.procedure, record, context.why)
    else:
        replay_steps(running, list(context.executed))
        conclusion = running.conclude()
    verdict = verdict_document(make_verdict(context, conclusion, observer, running.window), redactor)
    return HeadlessRun(
        verdict, tuple(observer.observations), conclusion, context.changed(executed=tuple(running.executed))
    )
