"""Faults of 09: promises that are not kept, figures that nobody can know."""

from typing import Any

from runbook_lib.sandbox.faults import service_levels_alerts, service_levels_figures

FAULTS: tuple[Any, ...] = (*service_levels_figures.FAULTS, *service_levels_alerts.FAULTS)
