"""Looks at Railway."""
