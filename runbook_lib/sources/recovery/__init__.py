"""Looks at backups, dumps and restores."""
