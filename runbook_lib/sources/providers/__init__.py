"""Looks at the LLM providers and at vendors' status pages."""
