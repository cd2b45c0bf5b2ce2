"""The sandbox's trace backend: takes OTLP in (otlp), keeps spans (spans), answers as Tempo (tempo) and Jaeger (jaeger)."""

from runbook_lib.sandbox.store.jaeger import create_jaeger_app
from runbook_lib.sandbox.store.otlp import create_otlp_app
from runbook_lib.sandbox.store.spans import Access, Store, create_store
from runbook_lib.sandbox.store.tempo import create_tempo_app

__all__ = ["Access", "Store", "create_jaeger_app", "create_otlp_app", "create_store", "create_tempo_app"]
