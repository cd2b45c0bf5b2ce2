"""Blind spots of 09: each source in turn cannot be seen, while all is well and while a promise is broken.

The figures are still right from what remains, with the blind spot named; or could_not_tell. Never met for want of data.
"""

from typing import Any

from runbook_lib.drills.kit.blind import UNSEEN, deadline, hide, no_rows
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Step, no_action, use
from runbook_lib.drills.service_levels.cases import PROCEDURE, WEEK
from runbook_lib.drills.service_levels.faults_figures import DAY, HEALTHY

_MISSED = Injected("slo.availability_missed")
_GIVEN: dict[str, Any] = {"procedure": PROCEDURE, "kind": "blind_spot", "options": {"traffic": False}, "settle_s": 0.0}


def _hide(source: str, way: str) -> Step:
    """What happens to a source. One that is away is gone as a process; one that is empty counts nothing."""
    if way == "empty" and source == "stripe":
        return hide("stripe", "empty", path="/v1/events*", body=no_rows("/v1/events"))
    if way == "slow":
        return hide(source, "slow", latency_s=0.1)
    return hide(source, {"unreachable": "stopped", "empty": "no-series"}.get(way, way))


_SOURCES = ("vercel", "railway", "tempo", "prometheus", "alertmanager", "stripe")
_WAYS = {
    "tempo": ("denied", "malformed", "hanging", "slow"),
    "prometheus": ("denied", "malformed", "hanging"),
    "alertmanager": ("denied", "malformed"),
    "stripe": ("denied", "malformed"),
    "vercel": ("denied", "malformed"),
    "railway": ("denied", "malformed"),
}
# Of what tells the alerts' rules and routes, and of Stripe's events, there is no second source; what counts requests has one.
_NO_SECOND = ("prometheus", "alertmanager", "vercel", "railway", "stripe")


def _case(source: str, way: str, broken: bool) -> Case:
    settings = {**WEEK, **deadline(10)} if way == "hanging" else WEEK
    common: dict[str, Any] = {
        **_GIVEN,
        "settings": settings,
        "after": (_hide(source, way),),
        "not_seen": (source,) if way in UNSEEN else (),
    }
    if broken:
        return Case(
            f"blind/levels/{source}/{way}/fault",
            status="confirmed",
            codes=("slo.availability_missed",),
            faults=(_MISSED,),
            **common,
        )
    common |= {"before": HEALTHY, "exercise": no_action}
    if way == "empty" and source == "stripe":
        return Case(
            f"blind/levels/{source}/{way}/healthy", status="could_not_tell", codes=("slo.no_data.nothing",), **common
        )
    if source in _NO_SECOND and way != "slow":
        codes = ("slo.no_data.unseen",) if source == "stripe" else ()
        return Case(f"blind/levels/{source}/{way}/healthy", status="could_not_tell", codes=codes, **common)
    return Case(f"blind/levels/{source}/{way}/healthy", status="ruled_out", codes=("slo.met",), **common)


def _each_source() -> list[Case]:
    cases = []
    for source in _SOURCES:
        cases += [_case(source, "unreachable", False), _case(source, "unreachable", True)]
        cases += [_case(source, way, False) for way in _WAYS[source]]
    return [*cases, _case("tempo", "empty", False), _case("tempo", "empty", True), _case("stripe", "empty", False)]


def _several(name: str, sources: tuple[str, ...], status: str, codes: tuple[str, ...], **more: Any) -> Case:
    given = {**_GIVEN, "settings": WEEK, "before": HEALTHY, "exercise": no_action, "not_seen": sources, **more}
    steps = tuple(_hide(source, "unreachable") for source in sources)
    return Case(f"blind/levels/{name}", status=status, codes=codes, after=(*steps, *given.pop("and_then", ())), **given)


_FLY: dict[str, Any] = {"traffic": False, "gateway_platform": "fly", "service_names": "several", "semconv": "old"}
_JAEGER: dict[str, Any] = {"traffic": False, "trace_backend": "jaeger"}
_GATEWAY = {**WEEK, "RUNBOOK_SERVICE_LEVELS": WEEK["RUNBOOK_SERVICE_LEVELS"].replace("week", "counted")}
_OF_JAEGER: dict[str, Any] = {"settings": _GATEWAY, "options": _JAEGER}
# Traces alone are believed where no platform is known that counts the part's requests as well, unlike where it cannot be seen.
_TRACES_ALONE = {**_GATEWAY, "RUNBOOK_RAILWAY_GATEWAY_SERVICE_ID": ""}
_SINGLE = {"part": "gateway", "until_min": 1.0, "per_min": 0.125, "every_s": 480.0, "searchable": True}
_RAW = (use("history", since_min=8 * DAY, **_SINGLE),)  # one request every eight minutes
_FEW = (use("history", since_min=2 * DAY, **_SINGLE),)
_RAW_AND_FAILING = (*_RAW, use("history", since_min=2 * DAY, failed=0.5, **_SINGLE))
_NO_METRICS = use("http", part="tempo", path="/api/metrics/*", status=404, body="404 page not found")

CASES: tuple[Case, ...] = (
    *_each_source(),
    _several("no-traces-and-no-metrics", ("tempo", "prometheus"), "could_not_tell", ("slo.no_data.unseen",)),
    _several("everything", _SOURCES, "could_not_tell", ("slo.no_data.unseen",)),
    # Each of the other sources alone counts for the gateway: its objective and no alerts.
    _several("only-railway", ("tempo", "prometheus"), "ruled_out", ("slo.met",), settings=_GATEWAY),
    _several("only-fly", ("tempo", "prometheus"), "ruled_out", ("slo.met",), settings=_GATEWAY, options=_FLY),
    _several(
        "only-fly/fault", ("tempo", "prometheus"), "confirmed", ("slo.availability_missed",), settings=_GATEWAY, options=_FLY,
        before=(), exercise=None, faults=(Injected("slo.availability_missed", "gateway"),),
    ),
    _several(
        "only-jaegers-monitor", ("prometheus",), "ruled_out", ("slo.met",), settings=_TRACES_ALONE, options=_JAEGER,
        and_then=(use("store", monitor=True),),
    ),
    _several(
        "only-jaegers-monitor/unchecked", ("prometheus", "railway"), "could_not_tell", (), settings=_GATEWAY, options=_JAEGER,
        and_then=(use("store", monitor=True),),
    ),
    _several(
        "only-jaegers-monitor/fault", ("prometheus", "railway"), "confirmed", ("slo.availability_missed",), settings=_GATEWAY,
        options=_JAEGER, and_then=(use("store", monitor=True),), before=(), exercise=None,
        faults=(Injected("slo.availability_missed", "gateway"),),
    ),
    # Nothing keeps metrics: what raw traces there are is counted one by one.
    _several(
        "only-raw-traces/jaeger", ("prometheus",), "ruled_out", ("slo.met",), before=_RAW, settings=_TRACES_ALONE,
        options=_JAEGER,
    ),
    _several(
        "only-raw-traces/jaeger/fault", ("prometheus", "railway"), "confirmed", ("slo.availability_missed",),
        before=_RAW_AND_FAILING, **_OF_JAEGER,
    ),
    _several(
        "only-raw-traces/tempo", ("prometheus",), "ruled_out", ("slo.met",), before=_RAW, settings=_TRACES_ALONE,
        and_then=(_NO_METRICS,),
    ),
    _several(
        "only-raw-traces/tempo/fault", ("prometheus", "railway"), "confirmed", ("slo.availability_missed",),
        before=_RAW_AND_FAILING, settings=_GATEWAY, and_then=(_NO_METRICS,),
    ),
    _several(
        "only-raw-traces/too-few", ("prometheus", "railway"), "could_not_tell", ("slo.too_few_requests",), before=_FEW,
        **_OF_JAEGER,
    ),
    _several(
        "jaeger-without-a-monitor", ("prometheus", "railway"), "could_not_tell", ("slo.no_data.unseen",), **_OF_JAEGER,
    ),
)  # fmt: skip
