"""What the model providers answer this machine, and what vendors say of themselves on their status pages."""

from collections.abc import Mapping

from typing_extensions import TypedDict


class Limit(TypedDict):
    """A rate limit and what is left of it; None where the header is no number."""

    limit: int | None
    remaining: int | None
    reset_s: float | None


class OfferedModel(TypedDict):
    """A model on offer; `created_at` None where the provider does not date it."""

    id: str
    created_at: str | None


class ModelsOnOffer(TypedDict):
    """The models that this machine's key sees, by id. `limits`: by what they count (requests, tokens, …); empty without headers."""

    models: list[OfferedModel]
    limits: Mapping[str, Limit]
    ms: float


class Reach(TypedDict):
    """That a provider answers here, asked without a key."""

    status_code: int
    ms: float


class Generation(TypedDict):
    """What one smallest generation came to. `code`, `type`, `message`: the refusal's; None where `ok`."""

    model: str
    ok: bool
    status_code: int
    code: str | None
    type: str | None
    message: str | None
    ms: float
    output_tokens: int | None
    limits: Mapping[str, Limit]
    retry_after_s: float | None


class ProviderHealth(TypedDict):
    """How many models this machine's key sees."""

    models: int


class Incident(TypedDict):
    """An incident on a status page; `resolved_at` None while it lasts. `components`: the names of those it is about."""

    id: str | None
    name: str | None
    status: str | None
    impact: str | None
    at: str | None
    resolved_at: str | None
    url: str | None
    components: list[str | None]


class TroubledComponent(TypedDict):
    """A part of a vendor's service that its page does not call operational."""

    name: str | None
    status: str | None


class StatusPage(TypedDict):
    """What a vendor's page says. `indicator`: the page's own word, which `all_good` judges."""

    vendor: str
    indicator: str
    all_good: bool
    description: str | None
    incidents: list[Incident]
    components: list[TroubledComponent]


class RailwayIncident(TypedDict):
    """An incident of Railway's, by its API."""

    id: str
    message: str
    status: str
    url: str | None
    at: str | None


class RailwayStatus(TypedDict):
    """What Railway's API says about Railway itself."""

    stable: bool
    incident: RailwayIncident | None
