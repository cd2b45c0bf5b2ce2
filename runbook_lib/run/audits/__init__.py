"""Audits: procedures that run unattended, side by side, and tell only what changed."""
