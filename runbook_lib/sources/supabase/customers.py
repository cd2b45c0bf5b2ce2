"""Billing records of many customers at once, by the id that Stripe knows them by."""

from collections.abc import Sequence

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.billing_records import BillingRecord, BillingRecords
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text
from runbook_lib.sources.supabase.api import ProjectApi

_MOST = 200
_COLUMNS = "org_id,stripe_customer_id,plan,status,current_period_end"


def billing_records(customers: Sequence[str]) -> Look[BillingRecords]:
    """The billing records of these customers. None of them has one: empty. More than 200 customers: partial, the first 200."""
    wanted = sorted(set(customers))

    def fetch(door: Door) -> Answer[BillingRecords]:
        asked = wanted[:_MOST]
        api = ProjectApi(door)
        rows = api.rows(
            lambda client: client.table("billing_customers").select(_COLUMNS).in_("stripe_customer_id", asked)
        )
        try:
            records = [_record(row) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise api.malformed(f"unexpected shape of a billing record: {error}") from error
        value: BillingRecords = {"asked": asked, "found": records}
        if len(wanted) > len(asked):
            return Answer(
                Status.partial, value, f"{len(wanted)} customers, of whom {_MOST} were read", "narrow the window"
            )
        return Answer(Status.ok if records else Status.empty, value, "" if records else "no billing record is of these")

    return Look("supabase", "billing_records", {"customers": list(wanted)}, fetch)


def _record(row: dict[str, Json]) -> BillingRecord:
    return {
        "org_id": str(row["org_id"]),
        "stripe_customer_id": str(row["stripe_customer_id"]),
        "plan": str(row["plan"]),
        "status": str(row["status"]),
        "current_period_end": iso_of_text(row["current_period_end"]),
    }
