"""Every vendor's façade and every query API of the store, by part name: what the supervisor serves, and their dials."""

from runbook_lib.sandbox.facades.alertmanager import app as alertmanager
from runbook_lib.sandbox.facades.alertmanager import state as alertmanager_state
from runbook_lib.sandbox.facades.fly import app as fly
from runbook_lib.sandbox.facades.fly import state as fly_state
from runbook_lib.sandbox.facades.github import app as github
from runbook_lib.sandbox.facades.github import state as github_state
from runbook_lib.sandbox.facades.prometheus import app as prometheus
from runbook_lib.sandbox.facades.prometheus import state as prometheus_state
from runbook_lib.sandbox.facades.providers import anthropic, openai, together
from runbook_lib.sandbox.facades.railway import app as railway
from runbook_lib.sandbox.facades.railway import state as railway_state
from runbook_lib.sandbox.facades.stripe import app as stripe
from runbook_lib.sandbox.facades.stripe import state as stripe_state
from runbook_lib.sandbox.facades.supabase import gateway as supabase_gateway
from runbook_lib.sandbox.facades.supabase import management as supabase_management
from runbook_lib.sandbox.facades.supabase import state as supabase_state
from runbook_lib.sandbox.facades.vendors import receivers, status_pages
from runbook_lib.sandbox.facades.vercel import app as vercel
from runbook_lib.sandbox.facades.vercel import state as vercel_state
from runbook_lib.sandbox.primitives.overrides import App
from runbook_lib.sandbox.store.jaeger import create_jaeger_app
from runbook_lib.sandbox.store.otlp import create_otlp_app
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.tempo import create_tempo_app
from runbook_lib.sandbox.world import World

_FACTORIES = {
    "vercel": vercel.create_app,
    "railway": railway.create_app,
    "fly": fly.create_app,
    "github": github.create_app,
    "supabase": supabase_gateway.create_project_app,
    "supabase-management": supabase_management.create_app,
    "stripe": stripe.create_app,
    "openai": openai.create_app,
    "anthropic": anthropic.create_app,
    "together": together.create_app,
    "status": status_pages.create_app,
    "receivers": receivers.create_app,
}

STATES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        vercel_state.VercelState,
        railway_state.RailwayState,
        fly_state.FlyState,
        github_state.GithubState,
        supabase_state.SupabaseState,
        stripe_state.StripeState,
        prometheus_state.PrometheusState,
        alertmanager_state.AlertmanagerState,
        receivers.ReceiversState,
        status_pages.StatusPages,
    )
}


def facade_apps(world: World, store: Store) -> dict[str, App]:
    """Fresh apps over one world and one store."""
    return {
        **{name: make(world) for name, make in _FACTORIES.items()},
        "prometheus": prometheus.create_app(world, store),
        "alertmanager": alertmanager.create_app(world, store),
        "otlp": create_otlp_app(store),
        "tempo": create_tempo_app(store),
        "jaeger": create_jaeger_app(store),
    }
