"""Prometheus' HTTP API and PromQL, as the sandbox plays them."""
