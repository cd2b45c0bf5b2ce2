"""What the sources ask, and the answers their tests are fed, held against the vendors' specifications."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import build_schema, parse, validate
from support.deployment_source_cases import DEPLOYMENT_CASES
from support.loopback import Asked, Loopback, Reply, everything_at
from support.source_cases import CASES as OTHER_CASES

from runbook_lib.io.observe import Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.railway.api import QUERIES

SPECS = Path(__file__).parent.parent / "specs"
SOURCES = {  # source -> specification files, with what precedes their paths
    "tempo": [("tempo/openapi-handwritten.json", "")],
    "jaeger": [("jaeger/api_v3-openapi-subset.json", ""), ("jaeger/v1-http-handwritten.openapi.json", "")],
    "vercel": [("vercel/openapi-supplement-2026.json", ""), ("vercel/openapi-2025-10-27-official-subset.json", "")],
    "fly": [("fly/machines-openapi-subset.json", "/v1"), ("fly/api-fly-io-supplement.json", "")],
    "supabase": [
        ("supabase/management-openapi-subset.json", ""),
        ("supabase/auth-openapi-subset.json", "/auth/v1"),
    ],
    "github": [("github/rest-handwritten.openapi.json", "")],
    "stripe": [("stripe/openapi-2024-06-20-derived.json", "")],
}
# Jaeger's specification has camel case only; the server takes snake case on every version. `attributes` is in its proto file.
JAEGER_ALSO = {"query.attributes", "query.numTraces"}
# The first is asked for a key's expiry, and its absence is no error; the second is not in our extract of the specification.
UNSPECIFIED = {"/v5/user/tokens/current", "/v1/account"}
CASES = {**OTHER_CASES, **DEPLOYMENT_CASES}


def vendor_of(name: str) -> str:
    """vercel_deployments.project -> vercel"""
    return name.partition(".")[0].partition("_")[0]


NAMES = [name for name in CASES if vendor_of(name) in SOURCES]


@pytest.fixture
def asked_by(loopback: Loopback) -> Callable[[str], list[Asked]]:
    """`asked_by(name)`: what the look asks of a server in good health."""

    def run(name: str) -> list[Asked]:
        case = CASES[name]
        loopback.asked.clear()
        loopback.answer = lambda asked: Reply(200, body) if (body := case.body(asked)) is not None else Reply(404, "no")
        settings = Settings.from_mapping(everything_at(loopback.url))
        Observer(active=True, now=datetime.now(UTC), settings=settings).together(case.look())
        return list(loopback.asked)

    return run


def _operation(source: str, asked: Asked) -> tuple[str, str, dict[str, Any]] | None:
    """The specification's file, path template and operation for a request."""
    for file, prefix in SOURCES[source]:
        paths = json.loads((SPECS / file).read_text())["paths"]
        for template in sorted(paths, key=lambda path: path.count("{")):
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", prefix + template)
            if re.fullmatch(pattern, asked.path) and asked.method.lower() in paths[template]:
                return file, template, paths[template][asked.method.lower()]
    return None


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


@pytest.mark.parametrize("name", NAMES)
def test_every_request_is_one_that_the_vendor_specifies(name: str, asked_by: Callable[[str], list[Asked]]) -> None:
    source = vendor_of(name)
    seen = asked_by(name)
    assert seen
    for asked in seen:
        if asked.path in UNSPECIFIED or asked.path.startswith(
            "/rest/v1/"
        ):  # PostgREST's routes are the project's tables
            continue
        found = _operation(source, asked)
        assert found is not None, f"{asked.method} {asked.path} is in no specification"
        declared = {p["name"]: p for p in found[2].get("parameters") or [] if p["in"] == "query"}
        if not declared and source == "stripe":
            continue  # derived from the package's answers; the package itself builds the query
        given = {_camel(each) for each in asked.query} if source == "jaeger" else set(asked.query)
        assert given <= set(declared) | (JAEGER_ALSO if source == "jaeger" else set()), asked.path
        assert {each for each, p in declared.items() if p.get("required")} <= given, asked.path
        for each, values in asked.query.items():
            if declared.get(each, {}).get("schema", {}).get("type") == "integer":
                assert all(re.fullmatch(r"-?\d+", value) for value in values), (asked.path, each)


@pytest.mark.parametrize("name", [name for name in NAMES if vendor_of(name) != "stripe"])
def test_the_answers_that_the_sources_are_tested_with_are_what_the_vendor_promises(
    name: str, asked_by: Callable[[str], list[Asked]], promised: Callable[..., None]
) -> None:
    source = vendor_of(name)
    for asked in asked_by(name):
        found = _operation(source, asked)
        body = CASES[name].body(asked)
        if found is None or body is None:
            continue
        if source == "jaeger" and asked.path.startswith("/api/v3/traces"):
            body = body["result"]  # the reply wraps what the specification describes
        if source == "vercel" or (source == "fly" and found[1].startswith("/apps/{app_name}")):
            continue  # checked whole against the façades; here only the fields that are read are spelt out
        promised(found[0], asked.method, found[1], httpx.Response(200, json=body))


def test_every_query_to_railway_is_valid_against_its_schema() -> None:
    schema = build_schema((SPECS / "railway/schema.graphql").read_text(), assume_valid=True)
    for name, query in QUERIES.items():
        assert validate(schema, parse(query)) == [], name
        assert query.lstrip().startswith("query "), name


def test_stripe_is_asked_with_the_pinned_version_and_told_nothing_about_this_machine(
    asked_by: Callable[[str], list[Asked]],
) -> None:
    for asked in asked_by("stripe.subscription"):
        assert asked.headers["stripe-version"] == "2024-06-20"
        assert not [name for name in asked.headers if name.startswith("x-stripe-client")]


def test_a_railway_project_token_travels_in_its_own_header_and_an_account_token_as_bearer(loopback: Loopback) -> None:
    project = everything_at(loopback.url)
    account = {**project, "RUNBOOK_RAILWAY_PROJECT_TOKEN": "", "RUNBOOK_RAILWAY_TOKEN": "account-token-for-tests"}
    for variables, header in ((project, "project-access-token"), (account, "authorization")):
        loopback.asked.clear()
        Observer(active=True, now=datetime.now(UTC), settings=Settings.from_mapping(variables)).together(
            CASES["railway.incidents"].look()
        )
        sent = {"project-access-token", "authorization"} & set(loopback.asked[0].headers)
        assert sent == {header}
