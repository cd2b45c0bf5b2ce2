"""What is asked of deployments on each platform, from what was seen so far: the topics that 06 and 07 share."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import Window, from_iso
from runbook_lib.core.records.traces import TraceSummary
from runbook_lib.io.observe import Look
from runbook_lib.judging.answers import rows_of
from runbook_lib.procedures.base import Topic
from runbook_lib.procedures.deployments.error_rates import Traffic, read_traffic, sample
from runbook_lib.procedures.deployments.reading import Reading, Site, read
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.fly import machines as fly_machines
from runbook_lib.sources.fly import metrics as fly_metrics
from runbook_lib.sources.github import github
from runbook_lib.sources.postgres import schema as postgres_schema
from runbook_lib.sources.railway import deployments as railway_deployments
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.team import not_used as team
from runbook_lib.sources.this_machine import parts
from runbook_lib.sources.traces import jaeger, tempo
from runbook_lib.sources.vercel import deployments as vercel_deployments
from runbook_lib.sources.vercel import logs as vercel

COMPARED = timedelta(hours=24)  # request logs are kept for about a day; an older deployment's first hours are gone
_RECENT = timedelta(hours=1)
_SHORTEST = timedelta(minutes=10)
_MOST = 4  # failing requests that are looked for in the trace backends by the platform's id
Run = Any  # a procedure over deployments: its `evidence`, `look` and `window`
Windows = tuple[Window, ...]


def compared_windows(reading: Reading, now: datetime) -> Windows:
    """Since the serving deployment, and as long a time before it (ten minutes at least); the last hour where it is older than a day
    (the last day of what is only counted); none where it is not known what serves production."""
    serving = reading.serving
    if serving is None or reading.site.target != "production":
        return ()
    if reading.age(serving, now) > COMPARED:
        return (Window(now - (COMPARED if reading.site.platform == "fly" else _RECENT), now),)
    at = from_iso(serving.at)
    until = from_iso(serving.ready_at) if serving.ready_at else at
    return Window(at, now), Window(at - max(now - at, _SHORTEST), min(max(until, at), now))


def is_worth_following(traffic: Traffic) -> bool:
    """Whether a request failed, so that it matters where it began to."""
    return bool(traffic.failed_after)


def _once(looks: Iterable[Look]) -> list[Look]:
    """Looks without repeats: two parts that were built from one commit ask for it once."""
    kept = {(each.source, each.call, repr(sorted(each.arguments.items()))): each for each in looks}
    return list(kept.values())


def per_site(ask: Callable[[Run, Reading], Iterable[Look]]) -> Callable[[Run], list[Look]]:
    """The looks of every site, from how it reads so far."""
    return lambda run: _once(look for site in run.evidence.sites for look in ask(run, read(site)))


def _placed(ask: Callable[[Site], Look]) -> Callable[[Run], list[Look]]:
    """A look of every place that was asked about, whether or not anything is there."""
    return lambda run: [ask(place) for place in run.evidence.places]


def _project(place: Site) -> Look:
    if place.platform == "vercel":
        return vercel_deployments.project(place.part)
    return fly_machines.machines() if place.platform == "fly" else railway_deployments.service(place.part)


def _variables(place: Site) -> Look:
    if place.platform == "vercel":
        return vercel.env_changes(place.part)
    return fly_machines.secret_names() if place.platform == "fly" else railway.variables_names(place.part)


def _deployments(place: Site) -> Look:
    if place.platform == "vercel":
        return vercel_deployments.recent(place.part, place.target)
    return fly.releases() if place.platform == "fly" else railway.deployments(place.part)


def _detail(_: Run, reading: Reading) -> Iterator[Look]:
    """The judged deployment whole, or the one that was asked for by id or address; Fly has no more to tell."""
    site, judged = reading.site, reading.judged.id if reading.judged else reading.site.asked
    if judged and site.platform != "fly":
        yield (vercel_deployments if site.platform == "vercel" else railway_deployments).detail(judged, site.part)


def _served(_: Run, reading: Reading) -> Iterator[Look]:
    """The deployment that serves, where the list does not go back to it."""
    site, judged = reading.site, reading.judged.id if reading.judged else reading.site.asked
    serving = reading.vercel_project["serving"] if reading.vercel_project else None
    if reading.serving is None and serving and serving != judged:
        yield vercel_deployments.detail(serving, site.part)


def _build_log(_: Run, reading: Reading) -> Iterator[Look]:
    site = reading.site
    if reading.judged is not None and reading.judged.word == "failed" and site.platform != "fly":
        source = vercel_deployments if site.platform == "vercel" else railway_deployments
        yield source.build_log(reading.judged.id, site.part)


def _branch(_: Run, reading: Reading) -> Iterator[Look]:
    commit = reading.serving.commit if reading.serving else None
    if commit and reading.branch and not reading.site.commit:
        yield github.compare(commit, reading.branch, reading.repository)


def _checks(_: Run, reading: Reading) -> Iterator[Look]:
    if reading.judged is not None and reading.judged.commit:
        yield github.checks(reading.judged.commit, reading.repository)


def _traffic(place: Site, window: Window) -> Look:
    if place.platform == "fly":
        return fly_metrics.service_counts(place.part, window)
    return (
        vercel.request_log(place.part, window) if place.platform == "vercel" else railway.http_log(place.part, window)
    )


def _after(run: Run, reading: Reading) -> Iterator[Look]:
    yield from (_traffic(reading.site, each) for each in compared_windows(reading, run.look.now)[:1])


def _before(run: Run, reading: Reading) -> Iterator[Look]:
    yield from (_traffic(reading.site, each) for each in compared_windows(reading, run.look.now)[1:])


def _traced(traffic: Traffic) -> list[str]:
    """The traces of some failing requests, where the platform's log tells them."""
    traced = sample([row for row in traffic.failed_after if row["trace_id"]])
    return [trace_id for row in traced if (trace_id := row["trace_id"])]


def _found(run: Run, reading: Reading) -> Iterator[Look]:
    """Vercel's log tells the trace; Railway's tells an id of its own, which stands on the spans of the part it was passed to."""
    traffic = read_traffic(reading)
    if _traced(traffic):
        return
    for row in sample(traffic.failed_after, _MOST):
        yield tempo.find_request(row["request_id"], run.window)
        yield jaeger.find_request(row["request_id"], run.window)


def _traces(run: Run) -> list[Look]:
    """Whole traces of some requests that failed since, of every part at once."""
    ids = [each for site in run.evidence.sites for each in _traced(read_traffic(read(site)))]
    ids += [row["trace"] for look in run.evidence.found for row in rows_of(look, TraceSummary)]
    wanted = list(dict.fromkeys(ids))
    return [tempo.traces_of(wanted, run.window), jaeger.traces_of(wanted, run.window)] if wanted else []


def _lines(run: Run, reading: Reading) -> Iterator[Look]:
    """What a part on Railway logged since, where requests fail: its request log holds no messages."""
    if reading.site.platform == "railway" and is_worth_following(read_traffic(reading)):
        yield from (railway.logs(reading.site.part, each) for each in compared_windows(reading, run.look.now)[:1])


def _schema(_: Run, reading: Reading) -> Iterator[Look]:
    if any(origin.missed for origin in read_traffic(reading).begins):
        yield postgres_schema.names()


def _probes(run: Run) -> list[Look]:
    """One request to each part's health route, as anybody on the internet would send it; a preview is behind a login."""
    return [
        parts.probe(part) for part in dict.fromkeys(p.part for p in run.evidence.places if p.target == "production")
    ]


SHARED: dict[str, Topic] = {
    "not_used": Topic(lambda _: [team.not_used()], is_one=True),
    "projects": Topic(_placed(_project)),
    "variables": Topic(_placed(_variables)),
    "deployments": Topic(_placed(_deployments)),
    "details": Topic(per_site(_detail), after=("deployments",)),
    "served": Topic(per_site(_served), after=("projects", "deployments")),
    "build_logs": Topic(per_site(_build_log), after=("deployments",)),
    "branch": Topic(per_site(_branch), after=("projects", "deployments")),
    "checks": Topic(per_site(_checks), after=("projects", "deployments")),
    "probes": Topic(_probes),
    "after": Topic(per_site(_after), after=("projects", "deployments")),
    "before": Topic(per_site(_before), after=("projects", "deployments")),
    "found": Topic(per_site(_found), after=("after",)),
    "traces": Topic(_traces, after=("after", "found")),
    "lines": Topic(per_site(_lines), after=("after",)),
    "schema": Topic(per_site(_schema), after=("after", "traces")),
}
