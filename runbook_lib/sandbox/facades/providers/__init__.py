"""The LLM providers' APIs, as the sandbox plays them."""
