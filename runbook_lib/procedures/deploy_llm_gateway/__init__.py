"""07: a deployment of the LLM gateway."""
