"""Looks at Prometheus and Alertmanager."""
