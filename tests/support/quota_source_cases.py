"""The looks of 05 with what a source in good health answers: Stripe's ledgers, the database over HTTP, spans by organization."""

from datetime import timedelta
from typing import Any

from support.source_cases import AT, AT_MS, NOW, PAST, STRIPE_CUSTOMER, SUBSCRIPTION, TRACE, Case

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Status
from runbook_lib.sources.postgres import usage as postgres_usage
from runbook_lib.sources.stripe import fleet as stripe_fleet
from runbook_lib.sources.stripe import usage as stripe_usage
from runbook_lib.sources.traces import jaeger_orgs, tempo_orgs

METER = {
    "id": "mtr_1",
    "object": "billing.meter",
    "event_name": "nexus_tokens",
    "display_name": "Tokens",
    "status": "active",
    "default_aggregation": {"formula": "sum"},
    "status_transitions": {"deactivated_at": None},
}
EVENT_SUMMARY = {
    "id": "mtrusg_1",
    "object": "billing.meter_event_summary",
    "aggregated_value": 120.0,
    "start_time": 1790000000 - 1790000000 % 3600,
    "end_time": 1790000000 - 1790000000 % 3600 + 3600,
    "livemode": False,
    "meter": "mtr_1",
}
USAGE_SUMMARY = {
    "id": "sis_1",
    "object": "usage_record_summary",
    "invoice": None,
    "livemode": False,
    "period": {"start": None, "end": None},
    "subscription_item": "si_1",
    "total_usage": 120,
}
THIN = {
    "id": "evt_1",
    "object": "v2.core.event",
    "type": "v1.billing.meter.error_report_triggered",
    "created": to_iso(AT),
    "livemode": False,
}
REPORT = {
    **THIN,
    "data": {
        "developer_message_summary": "There is 1 invalid event",
        "reason": {
            "error_count": 1,
            "error_types": [
                {
                    "code": "meter_event_customer_not_found",
                    "error_count": 1,
                    "sample_errors": [{"error_message": "no", "request": {"identifier": "usage-1"}}],
                }
            ],
        },
        "validation_start": to_iso(AT),
        "validation_end": to_iso(AT),
    },
}
DOUBLE = [{**STRIPE_CUSTOMER, "id": f"cus_{n}", "metadata": {"org_id": "o1"}} for n in (1, 2)]
ORG_ROW = {
    "org_id": "o1",
    "name": "Acme",
    "created_at": "2026-05-01 00:00:00+00",
    "has_record": True,
    "stripe_customer_id": "cus_1",
    "plan": "pro",
    "status": "active",
    "current_period_end": "2026-12-01 00:00:00+00",
    "time_zone": "UTC",
    "is_hidden": False,
}
HOUR_ROW = {
    "start": 1790000000,
    "provider": "openai",
    "model": "m",
    "tokens": 5,
    "requests": 1,
    "records": 1,
    "with_tokens": 1,
}
CROSSING_ROW = {
    "at": "2026-11-23 08:00:00.5+00",
    "records": 2,
    "tokens": 9,
    "first_at": "2026-11-23 08:02:00+00",
    "last_at": "2026-11-23 08:03:00+00",
}
FLEET_ROW = {
    "org_id": "o1",
    "tokens": 5,
    "requests": 1,
    "records": 1,
    "without_tokens": 0,
    "settled_tokens": 5,
    "recent_tokens": 1,
    "last_at": "2026-11-23 08:03:00+00",
}
TEMPO_ORG: dict[str, Any] = {
    "traces": [
        {
            "traceID": TRACE,
            "rootServiceName": "nexuscore",
            "rootTraceName": "POST /chat",
            "startTimeUnixNano": str(AT_MS * 1_000_000),
            "durationMs": 900,
            "spanSets": [
                {
                    "spans": [
                        {
                            "spanID": "00f067aa0ba902b7",
                            "startTimeUnixNano": str(AT_MS * 1_000_000),
                            "durationNanos": "41000000",
                            "attributes": [
                                {"key": "nexuscore.org_id", "value": {"stringValue": "o1"}},
                                {"key": "http.response.status_code", "value": {"intValue": "429"}},
                                {"key": "http.route", "value": {"stringValue": "/api/chat"}},
                            ],
                        }
                    ],
                    "matched": 1,
                }
            ],
        }
    ]
}
JAEGER_ORG: dict[str, Any] = {
    r"/api/v3/services": {"services": ["nexus-api"]},
    r"/api/v3/traces.*response.status_code.*402|/api/v3/traces.*http.status_code": {"result": {"resourceSpans": []}},
    r"/api/v3/traces": {
        "result": {
            "resourceSpans": [
                {
                    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "nexus-api"}}]},
                    "scopeSpans": [
                        {
                            "scope": {"name": "next.js"},
                            "spans": [
                                {
                                    "traceId": TRACE,
                                    "spanId": "00f067aa0ba902b7",
                                    "name": "POST /api/chat",
                                    "kind": 2,
                                    "startTimeUnixNano": str(AT_MS * 1_000_000),
                                    "endTimeUnixNano": str(AT_MS * 1_000_000 + 41_000_000),
                                    "attributes": [
                                        {"key": "nexuscore.org_id", "value": {"stringValue": "o1"}},
                                        {"key": "http.response.status_code", "value": {"intValue": "429"}},
                                    ],
                                    "status": {},
                                }
                            ],
                        }
                    ],
                }
            ]
        }
    },
}


def _list(*rows: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(rows), "has_more": False, "url": "/v1/x"}


def _sql(*rows: Any) -> dict[str, Any]:
    return {r"/database/query/read-only": list(rows)}


_ORG = "13ebd848-65e2-449b-8d7c-89378b2f3c6d"
_PERIODS = [
    {"org_id": _ORG, "since": to_iso(PAST.since), "until": to_iso(PAST.until), "counted_since": to_iso(PAST.since)}
]
_HTTP: postgres_usage.Way = "management"
_MALFORMED = Status.malformed

QUOTA_CASES: dict[str, Case] = {
    "stripe_usage.subscriptions": Case(
        lambda: stripe_usage.subscriptions("cus_1"), {r"/v1/subscriptions": _list(SUBSCRIPTION)}, absent=_MALFORMED
    ),
    "stripe_usage.customers_of": Case(
        lambda: stripe_usage.customers_of("cus_1", "o1"),
        {
            r"/v1/customers/cus_1": STRIPE_CUSTOMER,
            r"/v1/customers ": _list(*DOUBLE),
            r"/v1/subscriptions": _list(SUBSCRIPTION),
        },
        absent=Status.empty,
    ),
    "stripe_usage.meters": Case(
        lambda: stripe_usage.meters(), {r"/v1/billing/meters": _list(METER)}, absent=_MALFORMED
    ),
    "stripe_usage.meter_usage": Case(
        lambda: stripe_usage.meter_usage("mtr_1", "cus_1", PAST),
        {r"/event_summaries": _list(EVENT_SUMMARY)},
        absent=_MALFORMED,
    ),
    "stripe_usage.legacy_usage": Case(
        lambda: stripe_usage.legacy_usage("si_1"), {r"/usage_record_summaries": _list(USAGE_SUMMARY)}, absent=_MALFORMED
    ),
    "stripe_usage.meter_errors": Case(
        lambda: stripe_usage.meter_errors("mtr_1", PAST),
        {r"/v2/core/events/evt_1": REPORT, r"/v2/core/events": {"data": [THIN], "next_page_url": None}},
        absent=_MALFORMED,
    ),
    "stripe_fleet.fleet_subscriptions": Case(
        lambda: stripe_fleet.fleet_subscriptions(), {r"/v1/subscriptions": _list(SUBSCRIPTION)}, absent=_MALFORMED
    ),
    "stripe_fleet.fleet_customers": Case(
        lambda: stripe_fleet.fleet_customers(), {r"/v1/customers": _list(*DOUBLE)}, absent=_MALFORMED
    ),
    "stripe_fleet.fleet_usage": Case(
        lambda: stripe_fleet.fleet_usage("mtr_1", [stripe_fleet.Metered("cus_1", PAST)]),
        {r"/event_summaries": _list(EVENT_SUMMARY)},
        absent=_MALFORMED,
    ),
    "stripe_fleet.fleet_legacy": Case(
        lambda: stripe_fleet.fleet_legacy(["si_1"]),
        {r"/usage_record_summaries": _list(USAGE_SUMMARY)},
        absent=_MALFORMED,
    ),
    "tempo_orgs.of_org": Case(lambda: tempo_orgs.of_org("o1", PAST), {r"/api/search": TEMPO_ORG}),
    "tempo_orgs.refused": Case(lambda: tempo_orgs.refused(PAST), {r"/api/search": TEMPO_ORG}),
    "jaeger_orgs.of_org": Case(lambda: jaeger_orgs.of_org("o1", PAST), JAEGER_ORG, absent=_MALFORMED),
    "jaeger_orgs.refused": Case(lambda: jaeger_orgs.refused(PAST), JAEGER_ORG, absent=_MALFORMED),
    "postgres_usage.organization": Case(lambda: postgres_usage.organization("Acme", _HTTP), _sql(ORG_ROW)),
    "postgres_usage.organizations": Case(lambda: postgres_usage.organizations(_HTTP), _sql(ORG_ROW)),
    "postgres_usage.by_hour": Case(
        lambda: postgres_usage.by_hour(_ORG, PAST, [PAST.since + timedelta(minutes=1)], _HTTP), _sql(HOUR_ROW)
    ),
    "postgres_usage.crossing": Case(
        lambda: postgres_usage.crossing(
            _ORG, PAST, {"tokens": 1, "requests": 1}, {"tokens": 5, "requests": None}, way=_HTTP
        ),
        _sql(CROSSING_ROW),
    ),
    "postgres_usage.fleet": Case(lambda: postgres_usage.fleet(_PERIODS, NOW, NOW, _HTTP), _sql(FLEET_ROW)),
    "postgres_usage.payers": Case(
        lambda: postgres_usage.payers(_ORG, PAST, _HTTP), _sql({"org_id": "o2", "stripe_customer_id": "cus_2"})
    ),
    "postgres_usage.recorded": Case(lambda: postgres_usage.recorded(PAST, "", _HTTP), _sql({"records": 5, "orgs": 1})),
}
