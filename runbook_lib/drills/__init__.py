"""Drills: what is injected, what is expected, and whether the verdict said so. The only place that knows sandbox and procedures."""
