"""Fly.io's APIs, as the sandbox plays them."""
