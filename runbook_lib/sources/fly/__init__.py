"""Looks at Fly.io."""
