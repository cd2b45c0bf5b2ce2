"""Every vendor's façade and every query API of the store, by part name: what the supervisor serves, and their dials."""

from runbook_lib.sandbox.facades import (
    alertmanager,
    alertmanager_state,
    anthropic,
    fly,
    fly_state,
    github,
    github_state,
    openai,
    prometheus,
    prometheus_state,
    railway,
    railway_state,
    receivers,
    status_pages,
    stripe,
    stripe_state,
    supabase_gateway,
    supabase_management,
    supabase_state,
    together,
    vercel,
    vercel_state,
)
from runbook_lib.sandbox.overrides import App
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
