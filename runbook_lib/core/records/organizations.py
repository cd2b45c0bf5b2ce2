"""NexusCore's organizations as its database holds them, each with the record of its billing."""

from typing_extensions import TypedDict


class OrganizationRecord(TypedDict):
    """An organization with its billing record, whose fields are None where there is none (`has_record`).

    `time_zone`: of the database's session; None in a list of all.
    """

    org_id: str
    name: str | None
    has_record: bool
    stripe_customer_id: str | None
    plan: str | None
    status: str | None
    current_period_end: str | None
    time_zone: str | None


class Organization(OrganizationRecord):
    """One organization that was asked for."""

    created_at: str | None


class PayingOrganization(TypedDict):
    """An organization with a customer at Stripe."""

    org_id: str
    stripe_customer_id: str
