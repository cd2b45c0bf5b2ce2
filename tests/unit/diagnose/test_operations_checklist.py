"""Rules of 00 in five beats: clean, broken, repaired, look-alike, could-not-look."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.checklist import DEPLOYED, NOW, OLD, RECENT, World, facts, judgement, locally, page, probe, row, said
from support.evidence import look
from support.verdicts import codes

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Status
from runbook_lib.procedures.operations_checklist.causes import CATALOGUE
from runbook_lib.procedures.operations_checklist.rules import diagnose

Change = Callable[[World], Any]
OTHER = "zyxwvutsrqponmlkjihg"


def test_a_clean_world_is_ruled_out_with_nothing_unseen() -> None:
    conclusion = diagnose(World().evidence())
    assert (str(conclusion.status), codes(conclusion), conclusion.not_seen) == ("ruled_out", [], ())


BROKEN: dict[str, tuple[Change, str, str]] = {
    # what is so -> (how the world differs, code, subject)
    "a needed variable is not there": (
        lambda w: w.drop("api", "STRIPE_WEBHOOK_SECRET"), "env.missing", "STRIPE_WEBHOOK_SECRET · api · vercel production",
    ),
    "a needed variable is not on Railway": (
        lambda w: w.drop("gateway", "OPENAI_API_KEY"), "env.missing", "OPENAI_API_KEY · gateway · production",
    ),
    "a variable is set to nothing": (
        lambda w: w.say("gateway", "TOGETHER_API_KEY", kind="nothing", flaws=["empty"]), "env.missing.empty",
        "TOGETHER_API_KEY · gateway · production",
    ),
    "an address is none": (
        lambda w: w.say("web", "NEXT_PUBLIC_SUPABASE_URL", kind="opaque", ref=None), "env.malformed.not_a_url",
        "NEXT_PUBLIC_SUPABASE_URL · web · vercel production",
    ),
    "a publishable key stands for the secret one": (
        lambda w: w.say("api", "STRIPE_SECRET_KEY", kind="stripe_publishable"), "env.malformed.other_kind",
        "STRIPE_SECRET_KEY · api · vercel production",
    ),
    "the anon key stands for the service role's": (
        lambda w: w.say("api", "SUPABASE_SERVICE_ROLE_KEY", role="anon"), "env.malformed.other_kind",
        "SUPABASE_SERVICE_ROLE_KEY · api · vercel production",
    ),
    "one vendor's key stands for another's": (
        lambda w: w.say("gateway", "TOGETHER_API_KEY", kind="openai"), "env.malformed.other_kind",
        "TOGETHER_API_KEY · gateway · production",
    ),
    "the example's text was left": (
        lambda w: w.say("gateway", "OPENAI_API_KEY", flaws=["placeholder"]), "env.malformed.placeholder",
        "OPENAI_API_KEY · gateway · production",
    ),
    "quotes became part of the value": (
        lambda w: w.say("api", "STRIPE_WEBHOOK_SECRET", flaws=["quoted"]), "env.malformed.quoted",
        "STRIPE_WEBHOOK_SECRET · api · vercel production",
    ),
    "the end of a key was not copied": (
        lambda w: w.say("gateway", "ANTHROPIC_API_KEY", flaws=["cut_off"]), "env.malformed.cut_off",
        "ANTHROPIC_API_KEY · gateway · production",
    ),
    "a JWT is past its exp": (
        lambda w: w.say("api", "SUPABASE_SERVICE_ROLE_KEY", expires_at=to_iso(NOW - timedelta(hours=1))), "env.expired",
        "SUPABASE_SERVICE_ROLE_KEY · api · vercel production",
    ),
    "a key is of another project": (
        lambda w: w.say("api", "SUPABASE_SERVICE_ROLE_KEY", ref=OTHER), "env.project_mismatch.ref",
        "SUPABASE_SERVICE_ROLE_KEY · api · vercel production",
    ),
    "a key is signed with another secret": (
        lambda w: (
            w.say("web", "NEXT_PUBLIC_SUPABASE_ANON_KEY", verifies=True),
            w.say("api", "SUPABASE_SERVICE_ROLE_KEY", verifies=False),
        ), "env.project_mismatch.signature",
        "SUPABASE_SERVICE_ROLE_KEY · api · vercel production",
    ),
    "a secret stands in a public variable": (
        lambda w: w.add("web", "NEXT_PUBLIC_OPENAI_API_KEY", kind="openai"), "env.leaked_to_browser",
        "NEXT_PUBLIC_OPENAI_API_KEY · web · vercel production",
    ),
    "a key of Together stands in a public variable": (
        lambda w: w.add("web", "NEXT_PUBLIC_TOGETHER_KEY", kind="together"), "env.leaked_to_browser",
        "NEXT_PUBLIC_TOGETHER_KEY · web · vercel production",
    ),
    "the service role stands in the public anon variable": (
        lambda w: w.say("web", "NEXT_PUBLIC_SUPABASE_ANON_KEY", role="service_role"), "env.leaked_to_browser",
        "NEXT_PUBLIC_SUPABASE_ANON_KEY · web · vercel production",
    ),
    "two names for one thing disagree": (
        lambda w: w.add("api", "SUPABASE_URL", kind="url", print="another"), "env.conflict",
        "NEXT_PUBLIC_SUPABASE_URL / SUPABASE_URL · api · vercel production",
    ),
    "test and live stand side by side, across parts": (
        lambda w: w.say("web", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", mode="test"), "env.mode_mixed", "Stripe · production",
    ),
    "a variable was changed after what serves was deployed": (
        lambda w: w.find("api", "STRIPE_SECRET_KEY").update(updated_at=RECENT), "env.not_applied",
        "STRIPE_SECRET_KEY · api · vercel production",
    ),
    "preview lacks what production has": (
        lambda w: w.find("api", "STRIPE_SECRET_KEY").update(environments=["production"]), "env.drift.environment",
        "STRIPE_SECRET_KEY · api · vercel preview",
    ),
    "a name of .env.example is nowhere": (
        lambda w: w.example.append(look("team", "variable_names", ["MAIL_FROM", "OPENAI_API_KEY"], path=".env.example")),
        "env.drift.example", "MAIL_FROM",
    ),
    "a vendor does not take a key": (
        lambda w: w.keys.append(
            judgement("openai", "OPENAI_API_KEY", "gateway · production", accepted=False, refusal="rejected", http_status=401)
        ), "env.rejected", "OPENAI_API_KEY · gateway · production",
    ),
    "a vendor says that a key has expired": (
        lambda w: w.keys.append(
            judgement("stripe", "STRIPE_SECRET_KEY", "api · vercel production", accepted=False, refusal="expired")
        ), "env.expired", "STRIPE_SECRET_KEY · api · vercel production",
    ),
    "a vendor refuses what is needed": (
        lambda w: w.keys.append(
            judgement("stripe", "RUNBOOK_STRIPE_KEY", "runbook · .env", accepted=False, refusal="scope", lacks="Events: read")
        ), "env.insufficient_scope", "RUNBOOK_STRIPE_KEY · runbook · .env",
    ),
    "the database does not take the password": (
        lambda w: (
            locally(w, "RUNBOOK_DATABASE_URL", ".env", kind="database_url"),
            w.keys.append(_denied("postgres", "SQLSTATE 28P01: password authentication failed")),
        ), "env.rejected", "RUNBOOK_DATABASE_URL · runbook",
    ),
    "nothing listens": (lambda w: w.probes.update(gateway=[Status.unreachable] * 3), "target.down.unreachable", "gateway"),
    "no answer comes": (lambda w: w.probes.update(api=[Status.timed_out] * 3), "target.down.hanging", "api"),
    "a server error comes": (lambda w: w.probes.update(web=[probe("web", 502)] * 3), "target.down.failing", "web"),
    "the platform knows no deployment": (
        lambda w: w.probes.update(web=[probe("web", 404, text="DEPLOYMENT_NOT_FOUND")] * 3), "target.down.missing", "web",
    ),
    "one of three knocks fails": (
        lambda w: w.probes.update(api=[probe("api", 500), probe("api"), probe("api")]), "target.degraded.flapping", "api",
    ),
    "the own page is refused": (
        lambda w: w.probes.update(web=[probe("web", 401)] * 3), "target.degraded.refusing", "web",
    ),
    "one part is slow and another quick": (
        lambda w: w.probes.update(api=[probe("api", ms=2500)] * 3), "target.degraded.slow", "api",
    ),
    "somebody else answers for the API": (
        lambda w: w.probes.update(api=[probe("api", json={"hello": "you"})] * 3), "target.impostor", "api",
    ),
    "a welcome page answers for web": (
        lambda w: w.probes.update(web=[probe("web", text="<html>Welcome to nginx!</html>")] * 3), "target.impostor", "web",
    ),
    "a page answers for the gateway": (
        lambda w: w.probes.update(gateway=[probe("gateway", json=None, text="<html>")] * 3), "target.impostor", "gateway",
    ),
    "the API is live on Railway too": (
        lambda w: w.elsewhere.append(
            look("railway", "services", [{"id": "s", "name": "nexuscore-api", "serving": {"id": "d", "at": DEPLOYED}}])
        ), "target.ambiguous", "api",
    ),
    "the platform is in trouble, and so is what runs there": (
        lambda w: (w.probes.update(web=[probe("web", 500)] * 3), w.pages.append(page("vercel", "Errors of functions"))),
        "target.platform_incident", "vercel",
    ),
    "the trace backend does not answer": (
        lambda w: w.statuses.update({"tempo": Status.unreachable}), "tracing.unreachable", "tempo",
    ),
    "there was traffic and there is no span": (lambda w: w.spans.clear(), "tracing.no_spans", "all parts"),
    "a part had traffic and has no span": (lambda w: _without(w, "gateway"), "tracing.part_silent", "gateway"),
    "a part has the SDK's own name": (
        lambda w: w.spans["resources"][2].update({"service.name": "unknown_service"}), "otel.wrong_service_name.unset",
        "gateway · unknown_service",
    ),
    "a part has another's name": (
        lambda w: w.spans["resources"][2].update({"service.name": "nexus-api"}), "otel.wrong_service_name.swapped",
        "gateway · nexus-api",
    ),
    "a part has a stranger's name": (
        lambda w: w.spans["resources"][0].update({"service.name": "my-shop"}), "otel.wrong_service_name", "web · my-shop",
    ),
}  # fmt: skip


def _denied(source: str, why: str) -> Any:
    return replace(look(source, "health", None, Status.denied), why=why)


def _without(world: World, part: str) -> None:
    index = ("web", "api", "gateway").index(part)
    world.spans["spans"] = [span for span in world.spans["spans"] if span["resource"] != index]


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_is_named_with_the_very_object_its_evidence_and_what_to_do(what: str) -> None:
    change, code, subject = BROKEN[what]
    world = World()
    change(world)
    conclusion = diagnose(world.evidence())
    assert (str(conclusion.status), codes(conclusion)) == ("confirmed", [code])
    (cause,) = conclusion.causes
    assert cause.subject == subject
    assert cause.evidence
    assert str(cause.remedy).endswith(CATALOGUE.remedy(code))


def test_every_fault_of_the_catalogue_is_among_them() -> None:
    named = {code for _, code, _ in BROKEN.values()}
    faults = {code for code in CATALOGUE.codes() if CATALOGUE.kind(code) == "fault"}
    assert {code for code in faults if not any(other.startswith(code) for other in named)} == set()


def _for_preview(
    world: World, part: str, name: str, branch: str | None = None, updated_at: str = OLD, **said: Any
) -> None:
    more = {"branch": branch, "updated_at": updated_at, "id": "preview", "facts": facts(name, **said)}
    world.rows[part].append(row(part, "vercel", name, environments=["preview"], **more))


LOOK_ALIKE: dict[str, Change] = {
    "SUPABASE_URL in place of the public one": lambda w: (
        w.drop("api", "NEXT_PUBLIC_SUPABASE_URL"),
        w.add("api", "SUPABASE_URL", kind="url"),
    ),
    "two names that agree": lambda w: w.add("api", "SUPABASE_URL", kind="url"),
    "a provider that the chain does not name": lambda w: (
        w.drop("gateway", "TOGETHER_API_KEY"),
        w.add("gateway", "LLM_FALLBACK_CHAIN", providers=["openai", "anthropic"]),
    ),
    "a key without prefix where the vendor has none": lambda w: w.say("gateway", "TOGETHER_API_KEY", kind="opaque"),
    "the newer kind of Supabase's keys": lambda w: (
        w.say("api", "SUPABASE_SERVICE_ROLE_KEY", kind="supabase_secret", ref=None),
        w.say("api", "NEXT_PUBLIC_SUPABASE_ANON_KEY", kind="supabase_publishable", ref=None),
    ),
    "a restricted key for the secret one": lambda w: w.say("api", "STRIPE_SECRET_KEY", kind="stripe_restricted"),
    "OTEL_SERVICE_NAME, which has a default, is not set": lambda w: w.drop("web", "OTEL_SERVICE_NAME"),
    "test keys for preview alone": lambda w: (
        w.find("api", "STRIPE_SECRET_KEY").update(environments=["production"]),
        _for_preview(w, "api", "STRIPE_SECRET_KEY", mode="test"),
        w.find("web", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY").update(environments=["production"]),
        _for_preview(w, "web", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", mode="test"),
    ),
    "a change of another environment's value alone": lambda w: (
        w.find("api", "STRIPE_SECRET_KEY").update(environments=["production"]),
        _for_preview(w, "api", "STRIPE_SECRET_KEY", updated_at=RECENT),
    ),
    "a branch's own value": lambda w: _for_preview(w, "api", "STRIPE_SECRET_KEY", branch="wip", kind="url"),
    "a red status page, and all answers well": lambda w: w.pages.append(page("vercel", "Errors of functions")),
    "a redirect of web's own": lambda w: w.probes.update(web=[probe("web", 307, text="")] * 3),
    "one slow answer of three": lambda w: w.probes.update(web=[probe("web", ms=9000), probe("web"), probe("web")]),
    "no traffic of a part without spans": lambda w: (_without(w, "gateway"), w.requests.update(gateway=0)),
    "a project of another name is live": lambda w: w.elsewhere.append(
        look("railway", "services", [{"id": "s", "name": "metabase", "serving": {"id": "d", "at": DEPLOYED}}])
    ),
    "a service of the part's name that nothing serves": lambda w: w.elsewhere.append(
        look("railway", "services", [{"id": "s", "name": "nexuscore-api", "serving": None}])
    ),
    "each part has a name of its own": lambda w: w.spans["resources"][2].update({"service.name": "llm-prod"}),
    "no key verifies with the secret that we were given": lambda w: (
        w.say("web", "NEXT_PUBLIC_SUPABASE_ANON_KEY", verifies=False),
        w.say("api", "SUPABASE_SERVICE_ROLE_KEY", verifies=False),
    ),
    "a key that may not list models": lambda w: w.keys.append(
        judgement("openai", "OPENAI_API_KEY", "gateway · production", lacks="may not list models")
    ),
    ".env.example names the runbook's own": lambda w: w.example.append(
        look("team", "variable_names", ["RUNBOOK_TARGET", "OPENAI_API_KEY"], path=".env.example")
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", LOOK_ALIKE)
def test_what_only_looks_wrong_is_ruled_out(what: str) -> None:
    world = World()
    LOOK_ALIKE[what](world)
    assert said(world) == ("ruled_out", [])


STATES: dict[str, tuple[Change, list[str]]] = {
    "a key expires in a week": (
        lambda w: w.say("api", "SUPABASE_SERVICE_ROLE_KEY", expires_at=to_iso(NOW + timedelta(days=7))), ["env.expires_soon"],
    ),
    "a token expires in a week": (
        lambda w: w.keys.append(judgement("vercel", "RUNBOOK_VERCEL_TOKEN", "local", expires_at=to_iso(NOW + timedelta(days=7)))),
        ["env.expires_soon"],
    ),
    "a key expires in ten years": (
        lambda w: w.say("api", "SUPABASE_SERVICE_ROLE_KEY", expires_at=to_iso(NOW + timedelta(days=3650))), [],
    ),
    "a sensitive value never comes back": (
        lambda w: w.find("api", "STRIPE_SECRET_KEY").update(facts=None, hidden="sensitive"), ["env.values_hidden"],
    ),
    "nobody came": (lambda w: (w.spans.clear(), w.requests.update(web=0, api=0, gateway=0)), ["tracing.quiet"]),
}  # fmt: skip


@pytest.mark.parametrize("what", STATES)
def test_what_is_worth_saying_breaks_nothing(what: str) -> None:
    change, expected = STATES[what]
    world = World()
    change(world)
    assert said(world) == ("ruled_out", expected)


def test_a_part_on_this_machine_takes_what_the_files_say_and_the_environment_wins() -> None:
    world = World()
    world.told["parts"] = {"api": {"is_local": True, "is_given": False, "hosts": []}}
    asked = ("vercel.variables.api", "vercel.serving.api", "vercel.request_log.api")
    world.statuses |= dict.fromkeys(asked, Status.not_configured)
    for each in world.rows["api"]:
        locally(world, each["name"], ".env")
    coverage = {each.code: str(each.state) for each in diagnose(world.evidence()).coverage}
    assert {state for code, state in coverage.items() if code.startswith("env.")} == {"excluded"}
    assert (
        coverage["tracing.part_silent"] == "not_examined"
    )  # its last span is of long ago, and no platform keeps its log
    world.local.append(
        {"name": "STRIPE_SECRET_KEY", "place": "environment", "facts": facts("STRIPE_SECRET_KEY", kind="url")}
    )
    conclusion = diagnose(world.evidence())
    assert {cause.subject for cause in conclusion.causes} == {
        "STRIPE_SECRET_KEY · api · local", "STRIPE_SECRET_KEY · runbook · environment",
    }  # fmt: skip


def test_what_a_project_mismatch_explains_is_told_beside_it() -> None:
    world = World().say("api", "SUPABASE_SERVICE_ROLE_KEY", ref=OTHER)
    world.keys.append(
        judgement(
            "supabase", "SUPABASE_SERVICE_ROLE_KEY", "api · vercel production", accepted=False, refusal="rejected"
        )
    )
    conclusion = diagnose(world.evidence())
    assert codes(conclusion) == ["env.project_mismatch.ref"]
    assert [each.code for each in conclusion.also] == ["env.rejected"]


def test_missing_spans_follow_from_an_address_that_is_not_set() -> None:
    world = World().drop("gateway", "OTEL_EXPORTER_OTLP_ENDPOINT")
    _without(world, "gateway")
    conclusion = diagnose(world.evidence())
    assert codes(conclusion) == ["env.missing"]
    assert [each.code for each in conclusion.also] == ["tracing.part_silent"]


def test_two_faults_are_both_named_and_what_users_feel_first() -> None:
    world = World().drop("api", "STRIPE_WEBHOOK_SECRET")
    world.probes["web"] = [Status.unreachable] * 3
    assert said(world) == ("confirmed", ["target.down.unreachable", "env.missing"])


def test_a_variable_of_the_last_two_hours_is_among_the_changes() -> None:
    world = World()
    world.find("api", "STRIPE_SECRET_KEY")["updated_at"] = RECENT
    changes = diagnose(world.evidence()).situation.changes
    assert [(change.at, change.what) for change in changes] == [(RECENT, "variable STRIPE_SECRET_KEY")]


def test_the_table_has_a_remedy_for_each_red_cell_and_shows_nothing_unseen_as_good() -> None:
    world = World().drop("api", "STRIPE_WEBHOOK_SECRET")
    world.statuses["railway.variables.gateway"] = Status.denied
    table: Any = diagnose(world.evidence()).facts["table"]
    cells = {
        (row, column): table["matrix"]["cells"][r][c]["tone"]
        for r, row in enumerate(table["matrix"]["rows"])
        for c, column in enumerate(table["matrix"]["columns"])
    }
    red = {key for key, tone in cells.items() if tone == "bad"}
    assert red == {("api", "set")} == {(each["part"], each["check"]) for each in table["remedies"]}
    assert all(each["do"] for each in table["remedies"])
    assert cells[("gateway", "set")] == "unknown"
    assert cells[("web", "set")] == "good"


def test_a_platform_whose_token_is_missing_is_a_gap_even_where_the_address_is_this_machine() -> None:
    world = World()
    world.told["parts"] = {"api": {"is_local": True, "is_given": False, "hosts": ["vercel"]}}
    world.statuses["vercel.variables.api"] = world.statuses["vercel.serving.api"] = Status.not_configured
    for each in world.rows["api"]:
        locally(world, each["name"], ".env")
    conclusion = diagnose(world.evidence())
    assert str(conclusion.status) == "could_not_tell"
    assert ("vercel", "variables") in {(each.source, each.call) for each in conclusion.not_seen}
