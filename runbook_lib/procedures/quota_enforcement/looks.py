"""What 05 asks of refusals, of one organization and of all: the platforms' logs, and the traces that name an organization."""

from runbook_lib.core.clock import Window
from runbook_lib.io.observe import Look
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.traces import jaeger_orgs, tempo_orgs
from runbook_lib.sources.vercel import logs as vercel


def refused_of_all(window: Window) -> list[Look]:
    """Who was refused, as far as traces name the organization; one look a backend."""
    return [tempo_orgs.refused(window), jaeger_orgs.refused(window)]


def log_of_refusals(window: Window, route: str) -> list[Look]:
    """What the platforms' logs hold of refusals, whoever's they were."""
    return [
        vercel.request_log("api", window, search=route, status="429"),
        vercel.request_log("api", window, search=route, status="402"),
        railway.http_log("api", window, status="429"),
        railway.http_log("api", window, status="402"),
    ]
