"""What was seen of deployments, by topic; and the same by part and platform, as rules read it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from runbook_lib.core.model import Observation
from runbook_lib.judging.evidence import Filed
from runbook_lib.procedures.deployments.causes import BRANCH, PRODUCTION
from runbook_lib.procedures.deployments.deployed import Deployed
from runbook_lib.procedures.deployments.reading import Site, read

Looks = tuple[Observation, ...]


@dataclass(frozen=True)
class Evidence(Filed):
    """Everything that 06 or 07 looked at.

    Attributes:
        places: the parts on the platforms that they may run on, and what was asked of them; without looks.
        details: the judged deployments whole. served: those that serve, where they are others.
        after, before: requests since the deployment (of the last hour where it is old), and of the time before it.
        found: the traces of failing requests by the platform's id; traces: the whole ones. lines: what the part logged since.
        durations: how long requests took, for the display alone.
    """

    places: tuple[Site, ...] = ()
    not_used: Observation | None = None
    projects: Looks = ()
    variables: Looks = ()
    deployments: Looks = ()
    details: Looks = ()
    served: Looks = ()
    build_logs: Looks = ()
    branch: Looks = ()
    checks: Looks = ()
    pulls: Looks = ()
    previews: Looks = ()
    probes: Looks = ()
    after: Looks = ()
    before: Looks = ()
    durations: Looks = ()
    found: Looks = ()
    traces: Looks = ()
    lines: Looks = ()
    schema: Looks = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """What the run was asked for, see `Cause.questions`."""
        found = [PRODUCTION] if any(place.target == "production" for place in self.places) else []
        return (*found, BRANCH) if not any(place.commit for place in self.places) else tuple(found)

    @cached_property
    def sites(self) -> list[Site]:
        """Each part on each platform with its looks: those that are configured; of a part that is configured nowhere, its first
        one, so that it is said."""
        return used_sites([self._site(place) for place in self.places])

    def _site(self, place: Site) -> Site:
        site = place.seen(
            project=_of(self.projects, place),
            variables=_of(self.variables, place),
            deployments=_of(self.deployments, place),
            detail=_of(self.details, place),
            served=_of(self.served, place),
            build_log=_of(self.build_logs, place),
            previews=_of(self.previews, place),
            probe=next((look for look in self.probes if look.arguments.get("part") == place.part), None),
            after=(*_all_of(self.after, place), *_all_of(self.lines, place)),
            before=_all_of(self.before, place),
            traces=self.traces,
            schema=self.schema,
        )
        reading = read(site)
        return site.seen(
            compare=_of_commit(self.branch, reading.serving),
            checks=_of_commit(self.checks, reading.judged),
            pulls=next((look for look in self.pulls if look.arguments.get("repository") == reading.repository), None),
        )


def used_sites(sites: Sequence[Site]) -> list[Site]:
    """The sites that are configured; of a part that is configured nowhere, its first one."""
    found = []
    for part in dict.fromkeys(site.part for site in sites):
        of_part = [site for site in sites if site.part == part]
        found += [site for site in of_part if site.is_configured] or of_part[:1]
    return found


def _all_of(looks: Iterable[Observation], place: Site) -> Looks:
    """The looks at a part on a platform; a look that names no part is at the gateway."""
    return tuple(
        look
        for look in looks
        if look.source == place.platform
        and look.arguments.get("part", look.arguments.get("service", place.part)) == place.part
    )


def _of(looks: Iterable[Observation], place: Site) -> Observation | None:
    return next(iter(_all_of(looks, place)), None)


def _of_commit(looks: Iterable[Observation], row: Deployed | None) -> Observation | None:
    """GitHub's look at a deployment's commit."""
    commit = row.commit if row is not None else None
    return next((look for look in looks if commit and look.arguments.get("commit") == commit), None)
