"""What changed in the time before the trouble: deployments, variables, machines, migrations."""

from collections.abc import Iterable, Iterator

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Change, Observation
from runbook_lib.core.records.deployments import DeploymentRow
from runbook_lib.core.records.machines import Machine
from runbook_lib.core.records.project import Migration
from runbook_lib.core.records.variables import VariableName
from runbook_lib.judging.answers import rows_of
from runbook_lib.reading.request_rows import iso_before

# the looks that bring rows of each kind
DEPLOYMENT_LISTS = ("vercel.deployments", "vercel.recent", "railway.deployments", "fly.releases")
_VARIABLES = ("vercel.env_changes", "railway.variables_names", "fly.secret_names")
_MACHINES = ("fly.machines", "fly.machine_states")
_MIGRATIONS = ("supabase.migrations",)
_MOST = 20


def changes_of(observations: Iterable[Observation], window: Window) -> tuple[Change, ...]:
    """Everything that changed in the two hours before the window's end or within it, the newest first. Looks at anything but
    deployments, variables, machines and migrations tell of no change."""
    since, until = iso_before(window.since, 2), window.as_dict()["until"]
    found = {change for look in observations for change in _told_by(look) if since <= change.at <= until}
    return tuple(sorted(found, key=lambda change: change.at, reverse=True)[:_MOST])


def _told_by(look: Observation) -> Iterator[Change]:
    """The changes of one look: a deployment by part and commit, a variable or a machine by name, a migration in its own words."""
    name = f"{look.source}.{look.call}"
    if name in DEPLOYMENT_LISTS:
        for deployed in rows_of(look, DeploymentRow):
            commit = (deployed["commit"] or "")[:9]
            what = f"{deployed['part']} deployed {commit} {deployed['message'] or ''}".strip()
            yield Change(deployed["at"], what, deployed["url"] or look.source)
    elif name in _VARIABLES:
        for variable in rows_of(look, VariableName):
            what = f"{variable['part']} variable {variable['name']} changed"
            yield Change(variable["updated_at"] or "", what, look.source)
    elif name in _MACHINES:
        for machine in rows_of(look, Machine):
            what = f"gateway machine {machine['name']} is {machine['state']}"
            yield Change(machine["updated_at"] or "", what, look.source)
    elif name in _MIGRATIONS:
        for migration in rows_of(look, Migration):
            yield Change(migration["at"] or "", migration["what"], look.source)
