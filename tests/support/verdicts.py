"""What a verdict names, for tests of every procedure's rules."""

from runbook_lib.core.model import Conclusion


def codes(conclusion: Conclusion) -> list[str]:
    """Its causes, states or blind codes, by its status."""
    found = {"confirmed": conclusion.causes, "ruled_out": conclusion.states, "could_not_tell": conclusion.blind}
    return [finding.code for finding in found[str(conclusion.status)]]


def status_and_codes(conclusion: Conclusion) -> tuple[str, list[str]]:
    """Its status, and what it names."""
    return str(conclusion.status), codes(conclusion)
