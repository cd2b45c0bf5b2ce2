"""Looks at the database itself."""
