"""A general way of breaking the sandbox's network: what one part cannot reach while everybody else can."""

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.apps.tampering import Blocked
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive

_HOW = ("refused", "dns", "reset", "hang")


@primitive
async def egress(breakage: Breakage, part: str, to: str = "", how: str = "refused") -> None:
    """Calls of web, api or gateway do not get out, while what they call answers everybody else.

    to: the name of a part or façade (openai, supabase …), the beginning of an address, or empty for every call. how:
    refused, dns (the name does not resolve), reset, or hang (until the caller gives up).
    """
    if how not in _HOW:
        raise UsageError(f"how is one of: {', '.join(_HOW)}", came_back=how)
    address = breakage.system.world.endpoints.get(to, to)
    await breakage.tamper(part, blocked=[*breakage.tampering(part).blocked, Blocked(address, how)])
