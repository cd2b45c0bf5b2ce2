"""Faults of 09: promises that are not kept, figures that nobody can know."""

from typing import Any

from runbook_lib.drills.service_levels import faults_alerts as service_levels_alerts
from runbook_lib.drills.service_levels import faults_figures as service_levels_figures

FAULTS: tuple[Any, ...] = (*service_levels_figures.FAULTS, *service_levels_alerts.FAULTS)
