"""The gateway's chain of providers and models, as this machine's settings have it; how it answers is in `parts`."""

from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.gateway import ChainSetting
from runbook_lib.io.observe import Look
from runbook_lib.sources.kit.asking import require_setting


def chain() -> Look[ChainSetting]:
    """LLM_FALLBACK_CHAIN as this machine's settings write it. The gateway's own may differ; its platform knows."""
    return Look(
        "gateway",
        "chain",
        {},
        lambda door: Answer(Status.ok, ChainSetting(chain=require_setting(door, "fallback_chain"))),
    )
