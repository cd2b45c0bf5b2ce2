"""Anthropic: as `openai`; its list of models comes in pages."""

from runbook_lib.core.model import Answer, Json
from runbook_lib.core.records.providers import Generation, ModelsOnOffer, OfferedModel, ProviderHealth, Reach
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, read_pages, require_reply, rows_in, text_of
from runbook_lib.sources.providers.provider_api import ProviderApi, listed_models, smallest_question


def models() -> Look[ModelsOnOffer]:
    """The models on offer to this machine's key, which need not be the gateway's.

    It proves key and reachability, never quota.
    """

    def fetch(door: Door) -> Answer[ModelsOnOffer]:
        api = ProviderApi(door, "anthropic")
        replies: list[Reply] = []

        def page(after: str) -> tuple[list[OfferedModel], str | None]:
            params: dict[str, str | int] = {"limit": 1000, **({"after_id": after} if after else {})}
            replies.append(require_reply(api.get("/models", params), api.help))
            return replies[-1].parsed(_page)

        rows, _ = read_pages(page, "", 5000)
        return listed_models(rows, api, replies[-1])

    return Look("anthropic", "models", {}, fetch)


def reach() -> Look[Reach]:
    """Whether anthropic answers here at all, asked without a key."""
    return Look(
        "anthropic", "reach", {}, lambda door: ProviderApi(door, "anthropic", with_key=False).reach(), deadline_s=8
    )


def generation(model: str) -> Look[Generation]:
    """One smallest generation, which costs money: only asked with paid_probe."""

    def fetch(door: Door) -> Answer[Generation]:
        body = {"model": model, "messages": smallest_question(), "max_tokens": 1}
        return ProviderApi(door, "anthropic").generate("/messages", body)

    return Look("anthropic", "generation", {"model": model}, fetch, deadline_s=30)


def health() -> Look[ProviderHealth]:
    """How many models this machine's key sees."""

    def fetch(door: Door) -> Answer[ProviderHealth]:
        answer = models().fetch(door)
        return Answer(answer.status, {"models": len(answer.value["models"]) if answer.value else 0}, answer.why)

    return Look("anthropic", "health", {}, fetch)


def _model(row: dict[str, Json]) -> OfferedModel:
    return {"id": str(row["id"]), "created_at": iso_of_text(row.get("created_at"))}


def _page(document: Json) -> tuple[list[OfferedModel], str | None]:
    rows = [_model(row) for row in rows_in(document, "data")]
    return rows, text_of(document, "last_id") if document.get("has_more") else None
