"""Our reading of Alertmanager's routing tree and time intervals, with the real Alertmanager and its amtool as judges."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from support.real_servers import debian, output_of, real_alertmanager, wait_until

from runbook_lib.io.observe import Observer
from runbook_lib.procedures.service_levels.alerts import reached, receivers_of
from runbook_lib.sandbox.facades.alertmanager.routes import ways_of
from runbook_lib.sandbox.facades.vendors import receivers
from runbook_lib.sandbox.facades.vendors.receivers import ReceiversState
from runbook_lib.sandbox.world import make_world
from runbook_lib.settings import Settings
from runbook_lib.sources.metrics import alertmanager as source
from runbook_lib.sources.metrics.alert_routes import read_config

TREES, ALERTS = 30, 20
NAMES = ("severity", "service", "team")
VALUES = ("page", "ticket", "api", "a,b", 'q"r', "back\\slash", "sp ace", "new\nline", '\\"', "{x}", "")
EXPRESSIONS = (
    "p.*|api",
    "a",
    "(page|ticket)",
    ".+",
    ".*",
    "[a-c],b",
    "(?i)PAGE",
    "a{1,2}pi",
    "q.r",
    "back.slash",
    "sp\\sace",
)


def _matcher(rng: random.Random) -> str:
    name, sign = rng.choice(NAMES), rng.choice(("=", "!=", "=~", "!~"))
    text = rng.choice(EXPRESSIONS if "~" in sign else VALUES)
    if rng.random() < 0.2 and re.fullmatch(r"\w+", text):
        return f"{name} {sign} {text}"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}{sign}"{escaped}"'


def _route(rng: random.Random, depth: int) -> dict[str, Any]:
    """A route with matchers in any of the spellings, and a few below it."""
    route: dict[str, Any] = {"receiver": f"r{rng.randrange(6)}"} if rng.random() < 0.8 else {}
    spelling = rng.random()
    if spelling < 0.5:
        route["matchers"] = [_matcher(rng) for _ in range(rng.randrange(1, 3))]
    elif spelling < 0.6:
        route["matchers"] = ["{" + ", ".join(_matcher(rng) for _ in range(2)) + "}"]
    elif spelling < 0.8:
        route["match"] = {rng.choice(NAMES): rng.choice(VALUES)}
    else:
        route["match_re"] = {rng.choice(NAMES): rng.choice(EXPRESSIONS)}
    if rng.random() < 0.4:
        route["continue"] = True
    if depth and rng.random() < 0.6:
        route["routes"] = [_route(rng, depth - 1) for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.2:
        route["group_wait"] = rng.choice(("1m30s", "250ms", "0s"))
    return route


def _tree(rng: random.Random) -> dict[str, Any]:
    route = {"receiver": "r0", "routes": [_route(rng, 2) for _ in range(rng.randrange(1, 6))]}
    return {"route": route, "receivers": [{"name": f"r{number}"} for number in range(6)]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("routes")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with real_alertmanager(folder, _tree(random.Random(0))) as found:
        yield found


def test_an_alert_goes_where_the_real_server_sends_it(url: str, folder: Path) -> None:
    rng, now = random.Random(3), datetime.now(UTC)
    alerts = [{"alertname": str(number), **{name: rng.choice(VALUES) for name in NAMES}} for number in range(ALERTS)]
    alerts = [{name: text for name, text in labels.items() if text} for labels in alerts]
    assert (
        httpx.post(f"{url}/api/v2/alerts", json=[{"labels": each} for each in alerts], trust_env=False).status_code
        == 200
    )
    for number in range(TREES):
        config = _tree(rng)
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
        answer = httpx.post(f"{url}/-/reload", trust_env=False)
        assert answer.status_code == 200, answer.text
        shown = httpx.get(f"{url}/api/v2/status", trust_env=False).json()["config"]["original"]
        as_shown, as_written = read_config(shown, now)["route"], read_config(yaml.safe_dump(config), now)["route"]
        held = httpx.get(f"{url}/api/v2/alerts", trust_env=False).json()
        assert len(held) == ALERTS
        for alert in held:
            true, labels = [each["name"] for each in alert["receivers"]], alert["labels"]
            where = f"tree {number}: {config['route']} {labels}"
            assert [each["receiver"] for each in reached(as_shown, labels)] == true, where
            assert [each["receiver"] for each in reached(as_written, labels)] == true, where
            assert [way.receiver for way in ways_of(config["route"], labels)] == true, where
            assert [way.group_wait_s for way in ways_of(config["route"], labels)] == [
                each["group_wait_s"] for each in reached(as_shown, labels)
            ]


def test_amtool_says_the_same(tmp_path: Path) -> None:
    """A judge of its own: it reads the file as it was written, without a server."""
    rng, amtool = random.Random(9), debian("amtool")
    for number in range(8):
        config = _tree(rng)
        path = tmp_path / f"{number}.yml"
        path.write_text(yaml.safe_dump(config))
        route = read_config(path.read_text(), datetime.now(UTC))["route"]
        for _ in range(3):
            labels = {name: rng.choice(("page", "ticket", "api")) for name in rng.sample(NAMES, rng.randrange(1, 4))}
            pairs = [f"{name}={text}" for name, text in labels.items()]
            said = output_of(amtool, "config", "routes", "test", f"--config.file={path}", *pairs).strip()
            assert list(dict.fromkeys(said.split(","))) == receivers_of(route, labels), (config["route"], labels)


def _intervals(now: datetime) -> dict[str, dict[str, Any]]:
    """Time intervals by name, about half of which hold now."""
    today, tomorrow = (f"{now + timedelta(days=days):%A}".lower() for days in (0, 1))
    last = ((now.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
    from_end = now.day - last - 1
    halves = [{"start_time": "00:00", "end_time": "12:00"}, {"start_time": "12:00", "end_time": "24:00"}]
    return {
        "always": {},
        "mornings": {"times": halves[:1]},
        "afternoons": {"times": halves[1:]},
        "both halves": {"times": halves},
        "today": {"weekdays": [today]},
        "tomorrow": {"weekdays": [tomorrow]},
        "the week": {"weekdays": ["sunday:saturday"]},
        "this day from the end": {"days_of_month": [f"{from_end}:-1"]},
        "the days before it": {"days_of_month": [f"1:{now.day - 1}" if now.day > 1 else "-1"]},
        "this month": {"months": [f"{now:%B}".lower()]},
        "by number": {"months": [str(now.month)], "years": [f"{now.year - 1}:{now.year}"]},
        "other years": {"years": [str(now.year + 1)]},
        "mornings in Sydney": {"times": halves[:1], "location": "Australia/Sydney"},
        "not in another month": {"weekdays": [today], "months": [str(now.month % 12 + 1)]},
    }


def test_a_route_is_mute_when_we_say_so(served_for_all: Any, tmp_path: Path) -> None:
    world = make_world(7)
    told, hooks = world.state(ReceiversState), served_for_all(receivers.create_app(world))
    intervals = _intervals(datetime.now(UTC))
    kinds = {"m": "mute_time_intervals", "a": "active_time_intervals"}
    ways = {f"{kind}{number}": {kinds[kind]: [name]} for number, name in enumerate(intervals) for kind in kinds}
    ways["m-both"] = {"mute_time_intervals": ["other years", "the week"]}
    ways["a-both"] = {"active_time_intervals": ["other years", "the week"]}
    ways["mute-while-active"] = {"active_time_intervals": ["always"], "mute_time_intervals": ["always"]}
    config = {
        "route": {
            "receiver": "m0", "group_wait": "10ms",
            "routes": [{"receiver": name, "matchers": [f"way={name}"], **way} for name, way in ways.items()],
        },
        "receivers": [{"name": name, "webhook_configs": [{"url": f"{hooks}/webhook/{name}"}]} for name in ways],
        "time_intervals": [{"name": name, "time_intervals": [each]} for name, each in intervals.items()],
    }  # fmt: skip
    with real_alertmanager(tmp_path, config, "--log.level=debug") as url:
        before = _muted(url)
        httpx.post(f"{url}/api/v2/alerts", json=[{"labels": {"way": name}} for name in ways], trust_env=False)

        def decided() -> bool:
            silent = re.findall(r"route is (?:within mute|not within active) time", (tmp_path / "log").read_text())
            return len(silent) + len(told.received) == len(ways)

        wait_until(decided, "every route told of its alert, or kept silent")
        after = _muted(url)
    told_of = {str(body["receiver"]) for _, body in told.received}
    for name, way in ways.items():
        if before[name] == after[name]:  # else its time began or ended meanwhile
            assert (name not in told_of) is before[name], (way, intervals)
    assert 0 < len(told_of) < len(ways)


def _muted(url: str) -> dict[str, bool]:
    """Whether each route is mute now, as we read the configuration that the server shows."""
    observer = Observer(
        active=True, now=datetime.now(UTC), settings=Settings.from_mapping({"RUNBOOK_ALERTMANAGER_URL": url})
    )
    routes = observer.together(source.routing())[0].value["route"]["routes"]
    return {each["receiver"]: bool(each["muted_by"]) for each in routes}
