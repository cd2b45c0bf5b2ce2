"""Looks at the team's own files: limits, objectives."""
