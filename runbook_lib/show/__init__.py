"""Filled in by its first room."""
