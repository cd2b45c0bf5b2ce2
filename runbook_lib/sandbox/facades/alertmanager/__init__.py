"""Alertmanager's HTTP API, as the sandbox plays it."""
