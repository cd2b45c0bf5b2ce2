"""Looks at the team's own files: limits, objectives."""

from runbook_lib.core.permissions import permit

permit("team")
