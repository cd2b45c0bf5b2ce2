"""What would have shown a cause of a deployment: looks at each part on each platform where it is known, and GitHub's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.counts import Counts
from runbook_lib.core.records.deployments import RailwayService
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.judging.answers import record_of, rows_of, whole_record
from runbook_lib.judging.witnesses import AllOf, Look, Missing, Seen, Shown, Witness, first_of, look, not_used

KNOWN_BY = {  # a part runs on a platform where one of these looks is configured; the first tells how it is set up there
    "vercel": ("vercel.project", "vercel.env_changes", "vercel.recent"),
    "railway": ("railway.service", "railway.variables_names", "railway.deployments"),
    "fly": ("fly.machine_states", "fly.secret_names", "fly.releases"),
}
_TOO_FEW = "too few requests to speak of a rate"
_OF_THE_GATEWAY = "fly"  # Fly's looks are of one app, the gateway's; the others are of a part
FEWEST = 8  # requests, below which nothing is said of a rate
SAMPLE = 100  # so many of the newest requests tell a rate, also where a busy part's log is cut after them


@dataclass(frozen=True)
class OnEachSite(AllOf):
    """Every part that was asked about, on every platform where it is known: all members of that platform must have answered.

    A platform that none of the members is of is stood for by its first look: the cause does not exist there.

    Attributes:
        is_newest: whether only the look whose window ends last counts, of several of one name.
    """

    is_newest: bool = False

    def held_against(self, seen: Seen) -> Shown:
        """Shown by the looks of every site together; a part that is known nowhere lacks all of its looks."""
        each = [self._of_site(seen, part, platform) for part, platform in sites_in(seen)]
        missing = [one for shown in each for one in shown.missing] + list(_nowhere(seen))
        by = tuple(dict.fromkeys(one for shown in each for one in shown.by))
        if not by and not missing:
            missing = [Missing(KNOWN_BY["vercel"][0], why="nobody looked")]
        return Shown(by, tuple(missing))

    def words(self) -> str:
        """The looks by platform."""
        return f"{' / '.join(look_.words() for look_ in self._looks())} of each part"

    def _looks(self) -> list[Look]:
        return [each if isinstance(each, Look) else Look(str(each)) for each in self.members]

    def _of_site(self, seen: Seen, part: str, platform: str) -> Shown:
        mine = [each for each in self._looks() if each.name.startswith(f"{platform}.")]
        held = [self._held(seen, narrowed(each, part)) for each in mine or [Look(KNOWN_BY[platform][0])]]
        return Shown(
            tuple(one for each in held for one in each.by), tuple(one for each in held for one in each.missing)
        )

    def _held(self, seen: Seen, one: Look) -> Shown:
        made = seen.of(one.name, **one.arguments)
        if self.is_newest and made:
            last = max(made, key=lambda each: str(each.arguments.get("until")))
            one = replace(one, arguments=last.arguments)
        return one.held_against(seen)


def narrowed(one: Look, part: str) -> Look:
    """A look of a platform, of one part alone."""
    if one.name.startswith(f"{_OF_THE_GATEWAY}."):
        return one
    return replace(one, arguments={**one.arguments, "part": part})


def sites_in(seen: Seen) -> list[tuple[str, str]]:
    """(part, platform) of every site that was asked about and is configured."""
    return [site for site, looks in _looked_at(seen).items() if any(_is_there(each) for each in looks)]


def _nowhere(seen: Seen) -> Iterator[Missing]:
    """What is missing of the parts that are configured on no platform."""
    known = {part for part, _ in sites_in(seen)}
    for (part, _), looks in _looked_at(seen).items():
        if part not in known:
            yield from (Missing(f"{each.source}.{each.call}", each, each.why) for each in looks[:1])


def _looked_at(seen: Seen) -> Mapping[tuple[str, str], list[Observation]]:
    found: dict[tuple[str, str], list[Observation]] = {}
    for platform, names in KNOWN_BY.items():
        for each in seen.of(*names):
            part = "gateway" if platform == _OF_THE_GATEWAY else str(each.arguments.get("part"))
            found.setdefault((part, platform), []).append(each)
    return found


def _is_there(one: Observation) -> bool:
    return one.status not in (Status.not_configured, Status.not_recorded)


def _is_enough(one: Observation) -> bool:
    """Whether a log holds requests enough, and the whole of them or a sample."""
    return len(rows_of(one, RequestRow)) >= (FEWEST if one.status.answered else SAMPLE)


def _counts_enough(one: Observation) -> bool:
    counts = record_of(one, Counts)
    return counts is not None and sum(counts["total"]) >= FEWEST


def _log(name: str) -> Look:
    return look(name, despite_partial=True, holding=_is_enough, else_why=_TOO_FEW)


def content_of(name: str) -> Look:
    """A look whose answer holds something: an empty one shows nothing of what there is one of."""
    return look(name, holding=lambda one: bool(one.value), else_why="the answer is empty")


NO_GITHUB = not_used("github", "GitHub", "github.checks", "github.compare", "github.pulls")
OF_ANY_DEPLOYMENT: dict[str, Witness] = {
    "said": look("team.not_used", is_helpful=True),
    "platforms": first_of("vercel.project", "railway.service", "fly.machine_states"),
    "settings": first_of("vercel.env_changes", "railway.variables_names", "fly.secret_names"),
    "lists": first_of("vercel.recent", "railway.deployments", "fly.releases"),
    "projects": OnEachSite(
        (content_of("vercel.project"), content_of("railway.service"), content_of("fly.machine_states"))
    ),
    "variables": OnEachSite(
        ("vercel.env_changes", "railway.variables_names", "fly.secret_names", content_of("fly.machine_states"))
    ),
    "deployments": OnEachSite(
        (
            content_of("vercel.recent"),
            content_of("vercel.detail"),
            content_of("railway.deployments"),
            content_of("railway.detail"),
            content_of("fly.releases"),
        )
    ),
    "checks": first_of("github.checks", NO_GITHUB),
    "branch": first_of(content_of("github.compare"), NO_GITHUB),
    "health": content_of("parts.probe"),
    "traffic": OnEachSite(
        (
            _log("vercel.request_log"),
            _log("railway.http_log"),
            look("fly.service_counts", holding=_counts_enough, else_why=_TOO_FEW),
        ),
        is_newest=True,
    ),
    "errors": first_of("tempo.traces_of", "jaeger.traces_of"),
    "failing": first_of("tempo.find_request", "jaeger.find_request"),
}


def no_commits(seen: Seen) -> str:
    """For `Cause.not_applicable`: nothing that was asked about is built from a commit; empty where something may be."""
    sites = sites_in(seen)
    images = [platform for part, platform in sites if platform == "fly" or _runs_an_image(seen, part)]
    if sites and len(images) == len(sites):
        return "what is deployed is an image, of which the platform tells no commit"
    return ""


def _runs_an_image(seen: Seen, part: str) -> bool:
    services = [whole_record(each, RailwayService) for each in seen.of("railway.service", part=part)]
    return any(service is not None and service["image"] for service in services)


def not_on_fly(seen: Seen) -> str:
    """For `Cause.not_applicable`: the gateway is seen to run on Railway, and Fly.io is not in use; empty where it may be."""
    platforms = {platform for _, platform in sites_in(seen)}
    services = [whole_record(each, RailwayService) for each in seen.of("railway.service")]
    serves = any(service is not None and service["serving"] for service in services)
    return "it runs on Railway, which shows no machines" if serves and "fly" not in platforms else ""
