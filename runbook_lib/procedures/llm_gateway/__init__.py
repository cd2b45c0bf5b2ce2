"""04: the LLM gateway is degraded, or a provider is down."""
