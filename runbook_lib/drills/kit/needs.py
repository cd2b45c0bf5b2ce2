"""What some cases need of the machine, and whether it has it; asked once a process."""

from collections.abc import Callable
from functools import cache

from runbook_lib.core.errors import SandboxError
from runbook_lib.drills.kit.case import Case
from runbook_lib.sandbox import npm
from runbook_lib.sandbox.server import has_address


def missing_needs(case: Case) -> str:
    """What the machine lacks for a case, in words; empty where it has all."""
    return "; ".join(why for need in case.needs if (why := _why_not(need)))


@cache
def _why_not(need: str) -> str:
    return _CHECKS[need]()


def _stripe_cli() -> str:
    try:
        npm.stripe_cli()
    except SandboxError as error:
        return f"no Stripe CLI: {error}"
    return ""


def _ipv6_loopback() -> str:
    return "" if has_address("::1") else "this machine has no ::1"


_CHECKS: dict[str, Callable[[], str]] = {"stripe-cli": _stripe_cli, "ipv6-loopback": _ipv6_loopback}
