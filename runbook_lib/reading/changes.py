"""What changed in the time before the trouble: deployments, variables, migrations, machines."""

from collections.abc import Iterable, Iterator

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Change, Observation
from runbook_lib.core.records.deployments import DeploymentRow
from runbook_lib.core.records.machines import MachineState
from runbook_lib.core.records.project import Migration
from runbook_lib.core.records.variables import VariableName
from runbook_lib.judging.answers import rows_of
from runbook_lib.reading.request_rows import iso_before

# the looks that bring rows of each kind
DEPLOYMENT_LISTS = ("deployments", "releases", "recent")
_VARIABLE_LISTS = ("env_changes", "variables_names", "secret_names")
_MOST = 20


def changes_of(observations: Iterable[Observation], window: Window) -> tuple[Change, ...]:
    """Everything that changed in the two hours before the window's end or within it, the newest first."""
    since, until = iso_before(window.since, 2), window.as_dict()["until"]
    found = {change for look in observations for change in _changes_in(look) if since <= change.at <= until}
    return tuple(sorted(found, key=lambda change: change.at, reverse=True)[:_MOST])


def _changes_in(look: Observation) -> Iterator[Change]:
    """The changes that a look tells of; none where it looked for something else."""
    if look.call in DEPLOYMENT_LISTS:
        for row in rows_of(look, DeploymentRow):
            words = (row["part"], "deployed", (row["commit"] or "")[:9], row["message"])
            yield Change(row["at"], " ".join(filter(None, words)), row["url"] or look.source)
    elif look.call in _VARIABLE_LISTS:
        for variable in rows_of(look, VariableName):
            what = f"{variable['part']} variable {variable['name']} changed"
            yield Change(variable["updated_at"] or "", what, look.source)
    elif look.call == "migrations":
        for migration in rows_of(look, Migration):
            yield Change(migration["at"] or "", migration["what"], look.source)
    elif look.call == "machine_states":
        for machine in rows_of(look, MachineState):
            what = f"{machine['part']} machine {machine['name']} is {machine['state']}"
            yield Change(machine["updated_at"] or "", what, look.source)
