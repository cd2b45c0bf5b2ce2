"""01: a request failed."""
