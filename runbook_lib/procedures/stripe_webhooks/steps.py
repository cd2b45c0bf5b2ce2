"""02: Stripe's webhooks do not arrive. Follow an event's way: CLI or endpoint, the API's port, route, secret, database."""

from datetime import timedelta
from typing import ClassVar

from runbook_lib.core.clock import Window, parse_window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Json
from runbook_lib.core.records.webhooks import BillingEvent, WebhookRoute
from runbook_lib.io.observe import Look
from runbook_lib.judging.answers import record_of, rows_of
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.procedures.stripe_webhooks import rules
from runbook_lib.procedures.stripe_webhooks.evidence import Evidence, Scene
from runbook_lib.procedures.stripe_webhooks.known_secrets import print_in, secret_of_api, secret_of_cli
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.stripe import webhooks as stripe_webhooks
from runbook_lib.sources.supabase import customers as supabase_customers
from runbook_lib.sources.this_machine import host, webhook
from runbook_lib.sources.traces import jaeger, tempo
from runbook_lib.sources.vercel import logs as vercel

WAYS = ("auto", "cli", "endpoint")
_DEPLOYED = timedelta(days=30)
_MOST_TRACES = 50


class StripeWebhooks(Procedure):
    """Parameters: via (auto, cli, endpoint), event_id, since, until.

    Without any it is the audit: does everything stand ready, and was everything of the last hours delivered and applied?
    """

    stem = "02_stripe_webhooks"
    evidence: Evidence
    topics: ClassVar = {
        "place": Topic(lambda _: [webhook.place()], is_one=True),
        "listening": Topic(lambda _: [host.stripe_listen()], is_one=True),
        "endpoints": Topic(lambda _: [stripe_webhooks.endpoints()], is_one=True),
        "cli_secret": Topic(lambda _: [host.cli_secret()], is_one=True),
        "api_secret": Topic(lambda _: [host.api_secret()], is_one=True),
        "keys": Topic(lambda _: [stripe_webhooks.keys()], is_one=True),
        "listeners": Topic(lambda _: [host.listeners()], is_one=True),
        "route": Topic(lambda _: [webhook.route()], is_one=True),
        "signed": Topic(lambda run: [webhook.signed()] if run.look.active else [], is_one=True),
        "deliveries": Topic(lambda run: [stripe_webhooks.deliveries(run.window, run.evidence.event_id)], is_one=True),
        "last_delivered": Topic(lambda _: [stripe_webhooks.last_delivered()], is_one=True),
        "arrivals": Topic(lambda run: _arrivals(run.window)),
        "records": Topic(
            lambda run: [supabase_customers.billing_records(run.customers)] if run.customers else [],
            after=("deliveries",),
            is_one=True,
        ),
        "changes": Topic(lambda run: _changes(Window(run.look.now - _DEPLOYED, run.look.now))),
    }

    def prepare(self) -> None:
        """Read the parameters. Raises UsageError for a way there is none of, and for an id that is none of an event's."""
        via = str(self.parameters.get("via") or "auto").strip().lower()
        event_id = str(self.parameters.get("event_id") or "").strip()
        if via not in WAYS:
            raise UsageError(
                "There is no such way for events", where="via", came_back=via[:40], do_next=f"Say {', '.join(WAYS)}."
            )
        if event_id and not (event_id.startswith("evt_") and event_id[4:].isalnum() and len(event_id) < 100):
            raise UsageError(
                "Cannot look for this event",
                where="event_id",
                came_back="it is no event's id",
                do_next="Copy it from Stripe's dashboard (Developers, Events): evt_ and letters and digits.",
            )
        self._window = parse_window(
            str(self.parameters.get("since") or "12h"),
            str(self.parameters.get("until") or "now"),
            now=self.look.now,
        )
        self.evidence = Evidence(self.look.now, self._window, via, event_id)

    @property
    def window(self) -> Window:
        """The time whose events are looked at."""
        return self._window

    @property
    def customers(self) -> tuple[str, ...]:
        """Whom the window's events are about."""
        return tuple(
            sorted({row["customer"] for row in rows_of(self.evidence.deliveries, BillingEvent) if row["customer"]})
        )

    @step("Is the Stripe CLI running, and does it forward to the API's webhook?")
    def find_the_forwarder(self) -> Said:
        """CLI processes of this machine, and the endpoints of the account: who brings events to the API?"""
        self.ask("place", "listening", "endpoints")
        scene = Scene(self.evidence)
        way = {
            "cli": "The Stripe CLI",
            "endpoint": "An endpoint of the dashboard",
            None: "Something that cannot be seen",
        }
        exhibits = []
        if scene.listens:
            rows = [
                [c["how"], c["user"], c["mode"], c["forward_to"], ", ".join(c["events"] or ["all"])]
                for c in scene.listens
            ]
            columns = ["started by", "user", "mode", "forwards to", "events"]
            exhibits.append(Exhibit("table", "Stripe CLIs that listen", {"columns": columns, "rows": rows}))
        if scene.all_endpoints:
            names = ["url", "status", "api_version", "enabled_events"]
            endpoints: list[list[Json]] = [
                [each["url"], each["status"], each["api_version"], each["enabled_events"]]
                for each in scene.all_endpoints[:20]
            ]
            exhibits.append(Exhibit("table", "Endpoints of the account", {"columns": names, "rows": endpoints}))
        return Said(
            f"{way[scene.form]} is to bring events to {scene.where}; {len(scene.listens)} CLIs listen.", tuple(exhibits)
        )

    @step("Does STRIPE_WEBHOOK_SECRET match the secret that signs?")
    def compare_the_secrets(self) -> Said:
        """What the CLI prints against what the API has; compared by prints, no secret leaves its look."""
        self.ask("cli_secret", "api_secret", "keys")
        table = Exhibit("table", "Secrets and keys, by print", _prints(Scene(self.evidence)))
        version = Scene(self.evidence).version
        return Said(f"The Stripe CLI at hand is {version or 'not known'}.", (table,))

    @step("Is NexusCore's API on its port, and is its webhook there?")
    def knock_at_the_route(self) -> Said:
        """Who has the port; health, a GET, an unsigned and a badly signed event."""
        _, route = self.ask("listeners", "route")
        answers = record_of(route, WebhookRoute)
        asked = (
            {
                "health": answers["health"],
                "get": answers["get"],
                "unsigned": answers["unsigned"],
                "badly_signed": answers["badly_signed"],
            }
            if answers
            else {}
        )
        rows = [[name, row["status_code"], row["ms"], row["words"]] for name, row in asked.items()]
        table = Exhibit("table", "What answers", {"columns": ["asked", "status", "ms", "words"], "rows": rows})
        health = answers["health"]["status_code"] if answers else None
        return Said(f"The API's health page answers {health or route.status}.", (table,) if rows else ())

    @step("What does the API make of signed test events?")
    def send_test_events(self) -> Said:
        """Only with --active: compact, oddly spaced, with an old stamp."""
        if not self.look.active:
            return Said("Not asked: signed test events leave a log line, and --active was not given.")
        (signed,) = self.ask("signed")
        rows = [
            [row["secret"], form, answer["status_code"], answer["words"]]
            for row in Scene(self.evidence).tests
            for form, answer in (
                ("compact", row["compact"]),
                ("spaced", row["spaced"]),
                ("old", row["old"]),
                ("future", row["future"]),
            )
            if answer
        ]
        table = Exhibit("table", "Signed test events", {"columns": ["secret", "form", "status", "words"], "rows": rows})
        return Said(
            f"{len(rows)} test events were answered." if rows else f"None was answered: {signed.why}.", (table,)
        )

    @step("What does Stripe say of its events, and what came to the webhook?")
    def ask_stripe(self) -> Said:
        """Events that still wait for a 2xx, and what the platforms' logs and the traces say of the webhook."""
        self.ask("deliveries", "last_delivered", "arrivals")
        scene = Scene(self.evidence)
        exhibits = []
        if scene.events:
            exhibits.append(Exhibit("table", "Billing events", rules.events_table(scene)))
        came = rules.arrivals_table(scene)
        if came["rows"]:
            exhibits.append(Exhibit("table", "What came to the webhook", came))
        return Said(f"{len(scene.events)} billing events; {len(scene.failing)} wait for a 2xx.", tuple(exhibits))

    @step("Did what arrived change the database, and what was changed before?")
    def look_into_the_database(self) -> Said:
        """The billing records of the events' customers; deployments and variables of the API."""
        self.ask("records", "changes")
        if not self.customers:
            return Said("No event of the window is about a customer.")
        records = list(Scene(self.evidence).records.values())
        names = ["org_id", "stripe_customer_id", "plan", "status", "current_period_end"]
        rows = [
            [each["org_id"], each["stripe_customer_id"], each["plan"], each["status"], each["current_period_end"]]
            for each in records
        ]
        table = Exhibit("table", "Billing records", {"columns": names, "rows": rows})
        return Said(
            f"{len(records)} of {len(self.customers)} customers have a billing record.", (table,) if records else ()
        )

    def diagnose(self) -> Conclusion:
        """The verdict."""
        return rules.diagnose(self.evidence)


def _arrivals(window: Window) -> list[Look]:
    return [
        vercel.request_log("api", window, search=webhook.PATH),
        railway.http_log("api", window),
        tempo.window_traces(window, webhook.PATH, _MOST_TRACES),
        jaeger.window_traces(window, webhook.PATH, _MOST_TRACES),
    ]


def _changes(before: Window) -> list[Look]:
    return [vercel.deployments("api", before), vercel.env_changes("api"), railway.deployments("api")]


def _prints(scene: Scene) -> Json:
    """Every secret and key that was seen, by its print."""
    api = secret_of_api(scene)
    process, file, setting = api["process"], api["file"], api["setting"]
    variable = "STRIPE_WEBHOOK_SECRET of"
    rows: list[list[Json]] = [
        ["secret of the Stripe CLI", secret_of_cli(scene) or None, None],
        [f"{variable} the running API", print_in(process) or None, process and process["started_at"]],
        [f"{variable} the API's .env file", print_in(file) or None, file and file["changed_at"]],
        [f"{variable} the settings", setting and setting["fingerprint"], None],
    ]
    keys = scene.keys or {"runbook": None, "api": None, "publishable": None}
    for name, key in (("runbook", keys["runbook"]), ("api", keys["api"]), ("publishable", keys["publishable"])):
        rows.append([f"key: {name}", key and key["fingerprint"], key and key["mode"]])
    return {"columns": ["what", "print", "mode, or since when"], "rows": rows}
