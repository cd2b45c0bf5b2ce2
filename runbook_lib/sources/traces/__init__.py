"""Looks at Tempo and Jaeger."""
