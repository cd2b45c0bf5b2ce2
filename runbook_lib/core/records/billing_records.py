"""What NexusCore's database holds of who pays."""

from typing_extensions import TypedDict


class BillingRecord(TypedDict):
    """A row of billing_customers."""

    org_id: str
    stripe_customer_id: str
    plan: str
    status: str
    current_period_end: str | None


class BillingRecords(TypedDict):
    """The records of the customers that were asked for."""

    asked: list[str]
    found: list[BillingRecord]
