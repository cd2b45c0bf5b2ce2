"""The sandbox's Alertmanager and our reading of one, held against the real server: the same configuration in both worlds."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support.real_servers import real_alertmanager, wait_until

from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.sandbox.facades.alertmanager import app as alertmanager
from runbook_lib.sandbox.facades.alertmanager.state import AlertmanagerState, usual_config
from runbook_lib.sandbox.facades.vendors import receivers
from runbook_lib.sandbox.facades.vendors.receivers import ReceiversState
from runbook_lib.sandbox.store.spans import create_store
from runbook_lib.sandbox.world import World, make_world
from runbook_lib.settings import Settings
from runbook_lib.sources.metrics import alertmanager as source

LABELS = {"alertname": "ApiErrorBudgetBurn", "severity": "page", "service": "api"}
WORDS = "TEST by the runbook, no action needed"


@dataclass(frozen=True)
class Both:
    """The two worlds: base URLs by name, and who is told."""

    urls: dict[str, str]
    told: ReceiversState

    def look(self, name: str, look: Look) -> Observation:
        """What our source brings from one of them."""
        settings = Settings.from_mapping({"RUNBOOK_ALERTMANAGER_URL": self.urls[name]})
        return Observer(active=True, now=datetime.now(UTC), settings=settings).together(look)[0]

    def looks(self, make: Callable[[], Look]) -> list[Any]:
        """What our source brings from each."""
        found = [self.look(name, make()) for name in self.urls]
        assert all(each.status in (Status.ok, Status.empty) for each in found), [each.why for each in found]
        return [each.value for each in found]

    def ask(self, method: str, path: str, **given: Any) -> list[httpx.Response]:
        """The answer of each."""
        return [httpx.request(method, f"{url}/api/v2{path}", trust_env=False, **given) for url in self.urls.values()]


@pytest.fixture(scope="module")
def both(served_for_all: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    world: World = make_world(7)
    config = _config(served_for_all(receivers.create_app(world)))
    world.state(AlertmanagerState).config = config
    store = create_store(now=world.now, retention_s=86_400)
    with real_alertmanager(tmp_path_factory.mktemp("alertmanager"), config) as real:
        urls = {"facade": served_for_all(alertmanager.create_app(world, store)), "real": real}
        yield Both(urls, world.state(ReceiversState))


def _config(receivers_url: str) -> dict[str, Any]:
    """The team's configuration, with a receiver whose key is wrong, a group that is told of seldom, and an inhibition."""
    config = copy.deepcopy(usual_config(receivers_url))
    wrong = {"routing_key": "short", "url": f"{receivers_url}/v2/enqueue"}
    config["receivers"].append({"name": "mistyped", "pagerduty_configs": [wrong]})
    for receiver in config["receivers"]:
        for integrations in receiver.values():
            for each in integrations if isinstance(integrations, list) else ():
                each["send_resolved"] = (
                    False  # that an earlier test is over is counted as well, whenever its group is told of
                )
    config["route"]["routes"] += [
        {"receiver": "mistyped", "match": {"severity": "odd"}},
        {"receiver": "team", "match_re": {"severity": "sel.*|rare"}, "group_interval": "5m"},
        {"receiver": "oncall", "matchers": ['severity="both"'], "continue": True},
        {"receiver": "team", "matchers": ['severity=~"bo.h"']},
    ]
    inhibit = {"source_matchers": ['severity="cause"'], "target_matchers": ['severity="effect"'], "equal": ["service"]}
    return {**config, "inhibit_rules": [inhibit]}


@pytest.fixture(autouse=True)
def _silence(both: Both) -> Iterator[None]:
    """What was told and silenced is over before the next test."""
    both.told.received.clear()
    yield
    for url in both.urls.values():
        for each in httpx.get(f"{url}/api/v2/silences", trust_env=False).json():
            if each["status"]["state"] != "expired":
                httpx.delete(f"{url}/api/v2/silence/{each['id']}", trust_env=False)


def test_the_configuration_is_read_alike(both: Both) -> None:
    facade, real = both.looks(source.routing)
    for name in ("route", "receivers", "inhibits"):
        assert facade[name] == real[name], name
    # what each integration came to: the real server lists all kinds, by receiver only where a feature is on
    assert {each["integration"] for each in facade["notifications"]} <= {
        each["integration"] for each in real["notifications"]
    }
    assert {each["receiver"] for each in real["notifications"]} == {""}
    names = [sorted(each["name"] for each in answer.json()) for answer in both.ask("GET", "/receivers")]
    assert names[0] == names[1]


def test_both_are_well(both: Both) -> None:
    for value in both.looks(source.health):
        assert value["version"].startswith("0.2")
        assert value["cluster"] in ("ready", "disabled")


@pytest.mark.parametrize(
    ("severity", "kinds"),
    [("page", ["pagerduty"]), ("ticket", ["slack", "webhook"]), ("both", ["pagerduty", "slack", "webhook"])],
)
def test_a_test_alert_arrives_in_the_same_words(severity: str, kinds: list[str], both: Both) -> None:
    arrived = {}
    for name in both.urls:
        both.told.received.clear()
        seen = both.look(name, source.test_alert({**LABELS, "severity": severity}, f"42-{severity}"))
        assert (seen.value["taken"], seen.value["refused"]) == (dict.fromkeys(kinds, 1.0), {}), name
        assert seen.value["expected"] == kinds
        bodies = {kind: _comparable(body) for kind, body in both.told.received}
        assert sorted(bodies) == kinds
        arrived[name] = bodies
    assert arrived["facade"] == arrived["real"]
    for kind, body in arrived["real"].items():
        first = {"slack": ("attachments", 0, "title"), "pagerduty": ("payload", "summary")}.get(
            kind, ("commonLabels", "runbook_test")
        )
        for key in first:
            body = body[key]
        assert WORDS in body, "whoever reads the first line must see that it is a test"


def _comparable(body: dict[str, Any]) -> dict[str, Any]:
    """A body without what differs by design: where Alertmanager says it lives, moments, fingerprints."""
    found: dict[str, Any] = json.loads(json.dumps(body))
    for each in found.get("alerts", ()):
        assert datetime.fromisoformat(each.pop("startsAt"))
        assert len(each.pop("fingerprint")) == 16
    for holder, key in ((found, "externalURL"), (found, "client_url")):
        holder.pop(key, None)
    for each in found.get("attachments", ()):
        each.pop("title_link")
        each["fallback"] = each["fallback"].split(" | ")[0]
    return found


def test_a_receiver_that_refuses_is_counted_alike(both: Both) -> None:
    before = both.looks(source.routing)
    looks = both.looks(lambda: source.test_alert({**LABELS, "severity": "odd"}, "42"))
    for value in looks:
        assert (value["receivers"], value["state"]) == (["mistyped"], "active")
        assert (value["taken"], value["refused"]) == ({"pagerduty": 0.0}, {"pagerduty": 1.0})
    assert both.told.received == []
    for old, new in zip(before, both.looks(source.routing), strict=True):
        sent, failed = (_counted(new, what) - _counted(old, what) for what in ("sent", "failed"))
        assert (sent >= 1, failed) == (True, 1), "that an earlier test is over may be counted as sent as well"


def _counted(routing: dict[str, Any], what: str) -> float:
    return float(sum(each[what] for each in routing["notifications"] if each["integration"] == "pagerduty"))


def test_an_alert_that_joins_a_group_is_told_of_with_its_next_interval(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five minutes as Alertmanager has it by default: a second test of the same route arrives, but not while it is watched."""
    monkeypatch.setattr(source, "_AFTER_WAIT_S", 0.5)
    labels = {**LABELS, "severity": "seldom"}
    for value in both.looks(lambda: source.test_alert(labels, "first")):
        assert value["taken"] == {"slack": 1.0, "webhook": 1.0}
    for value in both.looks(lambda: source.test_alert(labels, "second")):
        assert (value["state"], value["taken"], value["refused"]) == ("active", {"slack": 0.0, "webhook": 0.0}, {})


def _silence_of(*matchers: dict[str, Any], begins_h: float = 0, ends_h: float = 1) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "matchers": list(matchers),
        "startsAt": (now + timedelta(hours=begins_h)).isoformat(),
        "endsAt": (now + timedelta(hours=ends_h)).isoformat(),
        "createdBy": "omar",
        "comment": "migration",
    }


def _by(name: str, value: str, sign: str = "=") -> dict[str, Any]:
    return {"name": name, "value": value, "isRegex": "~" in sign, "isEqual": not sign.startswith("!")}


@pytest.mark.parametrize(
    ("matchers", "is_silenced"),
    [
        ([_by("severity", "page")], True),
        ([_by("severity", "pa.e", "=~")], True),
        ([_by("severity", "a", "=~")], False),
        ([_by("severity", "ticket", "!=")], True),
        ([_by("severity", "p.*", "!~")], False),
        ([_by("alertname", "Api.*", "=~"), _by("team", "", "=")], True),
        ([_by("alertname", "Api.*", "=~"), _by("team", ".+", "=~")], False),
        ([{"name": "service", "value": "api", "isRegex": False}], True),
    ],
)
def test_a_silence_holds_for_the_same_alerts(matchers: list[dict[str, Any]], is_silenced: bool, both: Both) -> None:
    made = [answer.json()["silenceID"] for answer in both.ask("POST", "/silences", json=_silence_of(*matchers))]
    facade, real = both.looks(source.silences)
    for mine, theirs in zip(facade, real, strict=True):
        assert {**mine, "id": "", "since": ""} == {**theirs, "id": "", "since": ""}
    for id_, value in zip(made, both.looks(lambda: source.test_alert(LABELS, f"silence {matchers}")), strict=True):
        assert value["state"] == ("suppressed" if is_silenced else "active")
        assert value["silenced_by"] == ([id_] if is_silenced else [])
        assert value["taken"] == {"pagerduty": float(not is_silenced)}
    for url, id_ in zip(both.urls.values(), made, strict=True):
        assert httpx.delete(f"{url}/api/v2/silence/{id_}", trust_env=False).status_code == 200
    assert both.looks(source.silences) == [[], []]


def test_a_silence_that_begins_later_is_pending(both: Both) -> None:
    both.ask("POST", "/silences", json=_silence_of(_by("severity", "page"), begins_h=1, ends_h=2))
    assert [[each["state"] for each in value] for value in both.looks(source.silences)] == [["pending"], ["pending"]]


@pytest.mark.parametrize(
    "wrong",
    [
        _silence_of(),
        _silence_of(_by("severity", "")),
        _silence_of(_by("severity", ".*", "=~")),
        _silence_of(_by("severity", "(", "=~")),
        _silence_of(_by("severity", "page"), begins_h=2),
        _silence_of(_by("severity", "page"), begins_h=-3, ends_h=-2),
        {"matchers": [_by("severity", "page")]},
    ],
)
def test_a_silence_is_refused_alike(wrong: dict[str, Any], both: Both) -> None:
    facade, real = both.ask("POST", "/silences", json=wrong)
    assert facade.status_code == real.status_code >= 400
    if "regexp" not in real.text:
        assert facade.json() == real.json()


def test_an_inhibited_alert_is_suppressed_alike(both: Both) -> None:
    both.ask("POST", "/alerts", json=[{"labels": {**LABELS, "severity": "cause"}}])
    for value in both.looks(lambda: source.test_alert({**LABELS, "severity": "effect"}, "42")):
        assert (value["state"], len(value["inhibited_by"])) == ("suppressed", 1)
    for value in both.looks(lambda: source.test_alert({**LABELS, "severity": "effect", "service": "web"}, "43")):
        assert (value["state"], value["inhibited_by"]) == ("active", [])


@pytest.mark.parametrize(
    "wanted",
    [
        'a="b c"', "a=b c", ' a = "b c" ', 'a=~"b.*"', 'a=~"b"', 'a!~"b.*"', 'a!="b c"', 'a="q\\"r"', 'nobody=""', 'nobody!=""',
        "a", "=b", 'a=~"("', '{a="b c"}', 'a="b c",b="d"', 'a="open', 'a=q"r', r'a="back\slash"', r'a="back\\slash"', 'a="x,y"',
    ],
)  # fmt: skip
def test_a_filter_finds_the_same_alerts(wanted: str, both: Both) -> None:
    texts = ("b c", 'q"r', "back\\slash", "x,y")
    posted = [{"labels": {"alertname": "Filter", "a": text, "severity": "effect"}} for text in texts]
    both.ask("POST", "/alerts", json=posted)
    facade, real = both.ask("GET", "/alerts", params={"filter": ['alertname="Filter"', wanted]})
    assert facade.status_code == real.status_code
    if real.status_code == 200:
        assert sorted(each["labels"]["a"] for each in facade.json()) == sorted(
            each["labels"]["a"] for each in real.json()
        )
    elif "regexp" not in real.text:
        assert facade.json() == real.json()


@pytest.mark.parametrize(
    "wrong",
    [
        [{"labels": {}}], [{"labels": {"a": ""}}], [{"labels": {"a-b": "1"}}], {},
        [{"labels": {"a": "1"}, "startsAt": "2036-01-01T00:00:00Z", "endsAt": "2035-01-01T00:00:00Z"}],
    ],
)  # fmt: skip
def test_an_alert_is_refused_alike(wrong: Any, both: Both) -> None:
    facade, real = both.ask("POST", "/alerts", json=wrong)
    assert facade.status_code == real.status_code == 400
    if isinstance(real.json(), str):
        assert facade.json() == real.json()


def test_alerts_are_read_alike_until_they_are_over(both: Both) -> None:
    begun = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    row = {"labels": {"alertname": "Held", "severity": "both"}, "startsAt": begun, "annotations": {"summary": "s"}}
    both.ask("POST", "/alerts", json=[row])
    facade, real = ([each for each in value if each["name"] == "Held"] for value in both.looks(source.alerts))
    assert facade == real
    assert (real[0]["receivers"], real[0]["state"]) == (["oncall", "team"], "active")
    both.ask("POST", "/alerts", json=[{**row, "endsAt": datetime.now(UTC).isoformat()}])
    wait_until(
        lambda: all("Held" not in {each["name"] for each in value} for value in both.looks(source.alerts)), "it is over"
    )
