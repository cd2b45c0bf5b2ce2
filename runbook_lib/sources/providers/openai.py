"""OpenAI: the models that this machine's key sees, whether it answers at all, one smallest generation."""

from runbook_lib.core.model import Answer, Json
from runbook_lib.core.records.providers import Generation, ModelsOnOffer, OfferedModel, ProviderHealth, Reach
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_ms, number_of, require_reply, rows_in
from runbook_lib.sources.providers.provider_api import ProviderApi, listed_models, smallest_question


def models() -> Look[ModelsOnOffer]:
    """The models on offer to this machine's key, which need not be the gateway's.

    It proves key and reachability, never quota.
    """

    def fetch(door: Door) -> Answer[ModelsOnOffer]:
        api = ProviderApi(door, "openai")
        reply = require_reply(api.get("/models"), api.help)
        return listed_models(
            reply.parsed(lambda document: [_model(row) for row in rows_in(document, "data")]), api, reply
        )

    return Look("openai", "models", {}, fetch)


def reach() -> Look[Reach]:
    """Whether openai answers here at all, asked without a key."""
    return Look("openai", "reach", {}, lambda door: ProviderApi(door, "openai", with_key=False).reach(), deadline_s=8)


def generation(model: str) -> Look[Generation]:
    """One smallest generation, which costs money: only asked with paid_probe."""

    def fetch(door: Door) -> Answer[Generation]:
        body = {"model": model, "messages": smallest_question(), "max_completion_tokens": 1}
        return ProviderApi(door, "openai").generate("/chat/completions", body)

    return Look("openai", "generation", {"model": model}, fetch, deadline_s=30)


def health() -> Look[ProviderHealth]:
    """How many models this machine's key sees."""

    def fetch(door: Door) -> Answer[ProviderHealth]:
        answer = models().fetch(door)
        return Answer(answer.status, {"models": len(answer.value["models"]) if answer.value else 0}, answer.why)

    return Look("openai", "health", {}, fetch)


def _model(row: dict[str, Json]) -> OfferedModel:
    created_s = number_of(row.get("created"))
    return {"id": str(row["id"]), "created_at": None if created_s is None else iso_of_ms(created_s * 1000)}
