"""Which of the gateway's variables may be shown: its own `LLM_…` ones that are no secret. Their values are configuration."""

import re
from collections.abc import Mapping

_SHOWN = re.compile(r"LLM_[A-Z0-9_]+")
_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL")


def may_be_shown(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that are neither secret nor anybody else's."""
    return {name: text for name, text in variables.items() if _SHOWN.fullmatch(name) and not _SECRET.search(name)}
