"""Looks at GitHub."""
