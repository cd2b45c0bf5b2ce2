"""Anthropic: as `openai`; its list of models comes in pages."""

from runbook_lib.core.model import Answer, Json
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, paged, rows_in, text_of, there
from runbook_lib.sources.providers.provider_api import ProviderApi, listed_models, smallest_question


def models() -> Look:
    """The models on offer to this machine's key, which need not be the gateway's; see `_provider_api.listed_models`.

    It proves key and reachability, never quota.
    """

    def fetch(door: Door) -> Answer:
        api = ProviderApi(door, "anthropic")
        replies: list[Reply] = []

        def page(after: str) -> tuple[list[dict[str, Json]], str | None]:
            params: dict[str, str | int] = {"limit": 1000, **({"after_id": after} if after else {})}
            replies.append(there(api.get("/models", params), api.help))
            return replies[-1].parsed(_page)

        rows, _ = paged(page, "", 5000)
        return listed_models(rows, api, replies[-1])

    return Look("anthropic", "models", {}, fetch)


def reach() -> Look:
    """Whether anthropic answers here at all, asked without a key: {"status_code", "ms"}."""
    return Look(
        "anthropic", "reach", {}, lambda door: ProviderApi(door, "anthropic", with_key=False).reach(), deadline_s=8
    )


def generation(model: str) -> Look:
    """One smallest generation, which costs money: only asked with paid_probe. See `_provider_api.ProviderApi.generate`."""

    def fetch(door: Door) -> Answer:
        body = {"model": model, "messages": smallest_question(), "max_tokens": 1}
        return ProviderApi(door, "anthropic").generate("/messages", body)

    return Look("anthropic", "generation", {"model": model}, fetch, deadline_s=30)


def health() -> Look:
    """How many models this machine's key sees: {"models"}."""

    def fetch(door: Door) -> Answer:
        answer = models().fetch(door)
        return Answer(answer.status, {"models": len((answer.value or {}).get("models", ()))}, answer.why)

    return Look("anthropic", "health", {}, fetch)


def _model(row: dict[str, Json]) -> dict[str, Json]:
    return {"id": str(row["id"]), "created_at": iso_of_text(row.get("created_at"))}


def _page(document: Json) -> tuple[list[dict[str, Json]], str | None]:
    rows = [_model(row) for row in rows_in(document, "data")]
    return rows, text_of(document, "last_id") if document.get("has_more") else None
