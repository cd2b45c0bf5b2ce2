"""What is peculiar to each of the ten notebooks where it is run on a sandbox; `test_each_notebook` says what all have in common."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runbook_lib.drills.deploy_llm_gateway.faults import STAND_IN
from runbook_lib.drills.failed_request.faults_parts import make_history
from runbook_lib.drills.kit import faults
from runbook_lib.drills.llm_gateway.faults import chats
from runbook_lib.drills.stripe_webhooks.faults import OTHER_SECRET
from runbook_lib.drills.supabase_rls.faults_session import org_id, sign_in
from runbook_lib.run.home import CHECKOUT
from runbook_lib.run.replay import replay
from runbook_lib.sandbox import Sandbox
from runbook_lib.sandbox.repository import DOCKERFILE, FILES

CANARY = "c4na7y00c4na7y00c4na7y00c4na7y00c4na7y00c4na7y00c4na7y00c4na7y00"  # a key without a shape to redact by
TOKEN = "RUNBOOK_TEST_USER_TOKEN"
_WEEK = CHECKOUT / "runbook_lib" / "drills" / "service_levels" / "week.toml"


@dataclass(frozen=True)
class Asked:
    """How a run is asked once something is broken: its parameters, variables beside the settings, secrets that must not leak."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    planted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """An artifact that a run has left, with what `run --json` printed."""

    sandbox: Sandbox
    folder: Path
    said: dict[str, Any]

    @property
    def report(self) -> str:
        """report.html."""
        return (self.folder / "report.html").read_text()

    @property
    def plan(self) -> dict[str, Any]:
        """The first plan that it prints."""
        plan: dict[str, Any] = json.loads((self.folder / "facts.json").read_text())["plans"][0]
        return plan


@dataclass(frozen=True)
class Fault:
    """What is broken, and what the notebook must name.

    Attributes:
        are_all: whether nothing else may be named; on a busy machine something may be late besides.
        before_replay: what becomes of the sandbox before the artifact is replayed.
        look: what else must be so of what was kept.
        settings: beside the sandbox's own.
    """

    break_it: Callable[[Sandbox], Asked]
    codes: tuple[str, ...]
    are_all: bool = True
    before_replay: Callable[[Sandbox], object] = lambda _: None
    look: Callable[[Kept], None] = lambda _: None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One notebook.

    Attributes:
        up: how its sandbox is set up; `prepare`: what is done with it first; `settings`: beside the sandbox's own.
        given: the parameters of a copy that nbval runs; `judged`: what that run's verdict must be.
        refused: (parameter, words of the message): what is refused before anything is written.
    """

    stem: str
    given: Mapping[str, str]
    judged: Callable[[dict[str, Any]], None]
    faults: tuple[Fault, ...]
    refused: tuple[tuple[str, str], ...]
    up: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Sandbox], object] = lambda _: None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """`03` of 03_supabase_rls."""
        return self.stem[:2]


def _broken(*codes: str, **parameters: str) -> Callable[[Sandbox], Asked]:
    """Inject these faults as the drills do, and ask with these parameters."""

    def do(sandbox: Sandbox) -> Asked:
        for code in codes:
            faults.find(code)(sandbox)
        return Asked(parameters)

    return do


def _nothing_else(_: dict[str, Any]) -> None:
    """The parameter arrived, which is held against every verdict."""


def _checklist(sandbox: Sandbox) -> Asked:
    sandbox.inject("env", part="gateway", name="TOGETHER_API_KEY", value=CANARY)
    sandbox.inject("env", part="web", name="NEXT_PUBLIC_TOGETHER_KEY", value=CANARY[::-1])
    faults.find("env.missing")(sandbox)
    return Asked({"slow_ms": "20000"}, planted=(CANARY, CANARY[::-1]))  # how busy this machine is does not matter here


def _checklist_table(kept: Kept) -> None:
    cells = json.loads((kept.folder / "notebook.ipynb").read_text())["cells"]
    shown = "".join("".join(o.get("data", {}).get("text/plain", "")) for c in cells for o in c.get("outputs", []))
    assert "✖ STRIPE_WEBHOOK_SECRET missing" in shown
    assert "vercel env add STRIPE_WEBHOOK_SECRET production" in shown


def _failed_chat(sandbox: Sandbox) -> Asked:
    faults.find("request.provider_failed.overloaded")(sandbox)
    return Asked({"request_id": sandbox.visit("chat")["request_id"]})


def _webhooks(sandbox: Sandbox) -> Asked:
    """Two signing secrets are at hand: neither is in any byte, and no part of a Stripe signature."""
    faults.find("webhook.secret_mismatch")(sandbox)
    return Asked(planted=(OTHER_SECRET, OTHER_SECRET.removeprefix("whsec_")))


def _no_signature(kept: Kept) -> None:
    assert not [path for path in kept.folder.rglob("*") if path.is_file() and b"v1=" in path.read_bytes()]


def _denied_user(sandbox: Sandbox) -> Asked:
    """The user's token is given by reference; neither it nor any part of it, nor a password of the database, is in any byte."""
    token = sign_in(sandbox)
    faults.find("rls.no_membership")(sandbox)
    given = {"jwt": f"env:{TOKEN}", "org": org_id(sandbox), "table": "usage_records"}
    return Asked(given, {TOKEN: token}, (token, *token.split(".")))


def _denied_user_kept(kept: Kept) -> None:
    assert kept.said["parameters"]["jwt"] == f"env:{TOKEN}"


def _pseudonym(verdict: dict[str, Any]) -> None:
    assert verdict["parameters"]["user"].startswith("<email:"), "an address is written down as a pseudonym"
    assert verdict["status"] == "ruled_out"


def _refused_key(sandbox: Sandbox) -> Asked:
    canary = "sk-proj-canary-of-the-gateways-own-key-0123456789"
    sandbox.inject("env", part="gateway", name="OPENAI_API_KEY", value=canary)
    chats(4)(sandbox)
    return Asked({"paid_probe": "true"}, planted=(canary,))


def _chain_plan(kept: Kept) -> None:
    assert "LLM_FALLBACK_CHAIN" in kept.report
    assert "Plan, not carried out" in kept.report


def _fleet_within_limits(verdict: dict[str, Any]) -> None:
    assert (verdict["status"], [each["code"] for each in verdict["states"]]) == ("ruled_out", ["quota.within_limits"])


def _ledger_picture(kept: Kept) -> None:
    assert "Recorded and reported tokens by day" in kept.report


def _failed_build(sandbox: Sandbox) -> Asked:
    """Secrets stand in a build's log, in a variable, in a commit's message and in what the part answers."""
    canary = "canary-7f3a9c21d4"
    bare = canary.replace("-", "")
    log = [
        "Error: connect failed",
        f"password={canary}x postgres://u:{canary}p@db.example/x",
        "Error: the build failed",
    ]
    sandbox.inject(
        "deploy", part="web", state="ERROR", error=f"exited with 1, token sk_live_{bare}", serve=False,
        build_log=log, message=f"Bearer {canary}bearer",
    )  # fmt: skip
    sandbox.inject("env", part="api", name="STRIPE_WEBHOOK_SECRET", restart=False)
    sandbox.inject("env", part="api", name="EXTRA_SECRET", value=f"whsec_{bare}", restart=False)
    return Asked(planted=(f"{canary}x", f"{canary}p", f"{canary}bearer", bare))


def _twenty_replays(kept: Kept) -> None:
    assert all(replay(kept.folder, with_kernel=False).same for _ in range(20))
    assert kept.plan["steps"][0]["request"].startswith("POST https://api.vercel.com/v10/projects/")


def _fly(sandbox: Sandbox) -> None:
    make_history(sandbox)
    sandbox.inject("age", by_s=600.0)  # Fly's proxy counts by five minutes


def _dead_machine(sandbox: Sandbox) -> Asked:
    """A Dockerfile that holds secrets, and a machine that runs out of memory."""
    canary = "canary4b1f77e09a"
    text = FILES[DOCKERFILE].replace("EXPOSE", f"ENV OPENAI_API_KEY={canary}env\nARG TOKEN={canary}arg\nEXPOSE")
    sandbox.inject("repository_file", path=DOCKERFILE, text=text)
    faults.find("machine.out_of_memory")(sandbox)
    return Asked(planted=(f"{canary}env", f"{canary}arg"))


def _built(kept: Kept) -> None:
    assert "build_and_run" in {look["call"] for look in kept.said["looked_at"]}
    assert kept.plan["steps"][0]["request"].startswith("fly deploy --app nexus-gateway-")


def _no_docker(verdict: dict[str, Any]) -> None:
    assert verdict["status"] == "could_not_tell", "the sandbox allows a build, and there is no Docker"
    assert {each["code"] for each in verdict["suspects"]} == {"image.build_file.fails"}
    unseen = {(each["source"], each["call"], each["status"]) for each in verdict["not_seen"]}
    assert ("gateway_image", "engine", "not_configured") in unseen


def _stop_postgres(sandbox: Sandbox) -> None:
    sandbox.inject("process", part="postgres", action="stop")


def _one_rehearsal(kept: Kept) -> None:
    """One was written down by the run, and none by its replays."""
    assert len(Path(kept.sandbox.env["RUNBOOK_RESTORE_LEDGER"]).read_text().splitlines()) == 2


def _broken_promises(sandbox: Sandbox) -> Asked:
    faults.find("slo.availability_missed")(sandbox)
    sandbox.inject("silence", matchers=[{"name": "alertname", "value": "ApiErrorBudgetBurn"}], hours=48.0)
    return Asked()


def _budgets(kept: Kept) -> None:
    for words in ("Error budget left", "Where the budget went", "API p95 latency", "Who is told"):
        assert words in kept.report


def passwords_of(sandbox: Sandbox) -> list[str]:
    """The passwords in the addresses of a sandbox's databases."""
    found = [urlsplit(value).password for name, value in sandbox.env.items() if name.endswith("DATABASE_URL")]
    return [each for each in found if each]


CASES = (
    Case(
        "00_operations_checklist", {"since": "20m"}, _nothing_else,
        (Fault(_checklist, ("env.missing", "env.rejected"), look=_checklist_table),),
        (
            ("since=yesterday", "since"), ("slow_ms=-5", "slow_ms"), ("slow_ms=soon", "slow_ms"),
            ("expires_within_days=0", "expires_within_days"), ("env_exmple=x", "env_example"),
        ),
    ),
    Case(
        "01_failed_request", {"since": "5m"}, _nothing_else,
        (Fault(_failed_chat, ("request.provider_failed.overloaded",)),),
        (("since=yesterday", "since"), ("until=2099-01-01T00:00:00Z", "future")),
    ),
    Case(
        "02_stripe_webhooks", {"via": "cli"}, lambda verdict: _is(verdict, "ruled_out"),
        (Fault(_webhooks, ("webhook.secret_mismatch",), look=_no_signature),),
        (
            ("via=smoke", "There is no such way for events"), ("event_id=in_1234", "it is no event's id"),
            ("event_id=evt_../../x", "it is no event's id"), ("since=yesterday", "yesterday"),
            ("since=2026-11-23T08:00:00", "zone"),
        ),
        up={"traffic": False, "webhooks": "cli"},
    ),
    Case(
        "03_supabase_rls", {"user": "ada@acme.example", "table": "usage_records"}, _pseudonym,
        (Fault(_denied_user, ("rls.no_membership",), look=_denied_user_kept),),
        (
            ("table=public.memberships", "table"), ("jwt=env:NO_SUCH_VARIABLE_AT_ALL", "NO_SUCH_VARIABLE_AT_ALL"),
            ("jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJlLW9mLWEtdG9rZW4", "takes a reference to a secret"),
        ),
        up={"traffic": False},
    ),
    Case(
        "04_llm_gateway", {"since": "5m"}, _nothing_else,
        (Fault(_refused_key, ("provider.key_invalid",), are_all=False, look=_chain_plan),),
        (
            ("probe_model=openai", "probe_model"), ("probe_model=mistral/large", "probe_model"),
            ("paid_probe=perhaps", "paid_probe"), ("since=2026-11-23T08:00:00", "no zone"),
            ("until=2099-01-01T00:00:00Z", "future"), ("sinse=1h", "since"),
        ),
        up={"traffic": False},
    ),
    Case(
        "05_quota_enforcement", {}, _fleet_within_limits,
        (Fault(_broken("usage.unreported", org="Globex"), ("usage.unreported",), look=_ledger_picture),),
        (
            ("report_within=soon", "26h"), ("report_within=0h", "no time at all"), ("since=yesterday", "since"),
            ("until=2099-01-01T00:00:00Z", "future"), (f"org={'x' * 300}", "300 characters"), ("rout=/api/chat", "route"),
        ),
        settings={
            "STRIPE_WEBHOOK_SECRET": "whsec_canary00000000000000000000000000000000",
            "OPENAI_API_KEY": "sk-proj-canary000000000000000000000000000000",
        },
    ),
    Case(
        "06_deploy_web_api", {"part": "web"}, lambda verdict: _is(verdict, "ruled_out"),
        (
            Fault(_failed_build, ("deploy.env_missing", "deploy.build_failed", "deploy.env_stale")),
            Fault(_broken("deploy.alias_stale.staged"), ("deploy.alias_stale.staged",), look=_twenty_replays),
        ),
        (("commit=main; rm -rf /", "hex digits"),),
        prepare=make_history,
    ),
    Case(
        "07_deploy_llm_gateway", {"platform": "fly"}, _no_docker,
        (Fault(_dead_machine, ("machine.out_of_memory",), look=_built, settings={"DOCKER_HOST": f"stand-in://{sys.executable}"}),),
        (("regions=frankfurt", "three letters"),),
        up={"gateway_platform": "fly"}, prepare=_fly,
        settings={"RUNBOOK_DOCKER_FOLDER": str(STAND_IN), "DOCKER_HOST": "none"},
    ),
    Case(
        "08_backup_restore", {"rpo": "25h"}, _nothing_else,
        (
            Fault(
                _broken("schema.drift.only_in_database", rehearse="true"), ("schema.drift.only_in_database",),
                before_replay=_stop_postgres, look=_one_rehearsal,
            ),
        ),
        (
            ("rpo=soon", "no span"), ("rto=0h", "no span"), ("tables=organizations", "no schema.table"),
            ("rehearse=perhaps", "rehearse"),
        ),
        up={"traffic": False},
    ),
    Case(
        "09_service_levels", {"objectives": "API availability"}, _nothing_else,
        (Fault(_broken_promises, ("slo.availability_missed", "alert.silenced"), look=_budgets),),
        (
            ("period_days=400", "Give whole days from 1 to 92"), ("period_days=soon", "period_days"),
            ("until=2026-11-23", "no zone"), ("colour=red", "colour"),
        ),
        up={"traffic": False},
        settings={"RUNBOOK_SERVICE_LEVELS": str(_WEEK), "RUNBOOK_TRACE_RETENTION_H": "840"},
    ),
)  # fmt: skip


def _is(verdict: dict[str, Any], status: str) -> None:
    assert verdict["status"] == status
