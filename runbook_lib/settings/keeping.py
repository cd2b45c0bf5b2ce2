"""What a run keeps of what it saw."""

from pydantic import BaseModel

from runbook_lib.settings.field import setting


class Keeping(BaseModel):
    """What a run keeps of what it saw."""

    keep_content: bool = setting(
        "RUNBOOK_KEEP_CONTENT",
        default=False,
        group="What is kept",
        about="1 keeps prompts, completions, messages and bodies as well; otherwise only how long they were.",
    )
    keep_days: float | None = setting(
        "RUNBOOK_KEEP_DAYS",
        group="What is kept",
        about="Days that the artifacts of an incident are kept after its newest run; without it, for ever.",
    )
