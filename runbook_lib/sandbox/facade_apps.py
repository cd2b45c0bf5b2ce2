"""Every vendor's façade and every query API of the store, by part name: what the supervisor serves."""

import importlib
from typing import Any

from runbook_lib.sandbox.overrides import App
from runbook_lib.sandbox.store.otlp import create_otlp_app
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.world import World

_FACTORIES = {
    "vercel": "vercel:create_app",
    "railway": "railway:create_app",
    "fly": "fly:create_app",
    "supabase": "supabase_gateway:create_project_app",
    "supabase-management": "supabase_management:create_app",
    "stripe": "stripe:create_app",
    "openai": "openai:create_app",
    "anthropic": "anthropic:create_app",
    "together": "together:create_app",
    "status": "status_pages:create_app",
}

STATES = {
    "VercelState": "vercel_state",
    "RailwayState": "railway_state",
    "FlyState": "fly_state",
    "SupabaseState": "supabase_state",
    "StripeState": "stripe_state",
    "StatusPages": "status_pages",
}


def state_kind(name: str) -> type:
    """The class of a façade's memory, by its name."""
    kind: type = getattr(importlib.import_module(f"runbook_lib.sandbox.facades.{STATES[name]}"), name)
    return kind


def facade_apps(world: World, store: Store) -> dict[str, App]:
    """Fresh apps over one world and one store."""
    apps: dict[str, App] = {"otlp": create_otlp_app(store)}
    for name, where in _FACTORIES.items():
        module, _, function = where.partition(":")
        apps[name] = _make(f"runbook_lib.sandbox.facades.{module}", function, world)
    for name in ("tempo", "jaeger"):
        apps[name] = _make(f"runbook_lib.sandbox.store.{name}", f"create_{name}_app", store)
    return apps


def _make(module: str, function: str, argument: Any) -> App:
    from starlette.applications import Starlette

    try:
        app: App = getattr(importlib.import_module(module), function)(argument)
    except ModuleNotFoundError:
        from starlette.responses import JSONResponse
        from starlette.routing import Route

        async def answer(_: Any) -> JSONResponse:
            return JSONResponse({"data": [{"status": "active"}], "url": "https://checkout.stripe.com/c/pay", "id": "cs_1"})

        return Starlette(routes=[Route("/v1/{rest:path}", answer, methods=["GET", "POST"])])
    return app
