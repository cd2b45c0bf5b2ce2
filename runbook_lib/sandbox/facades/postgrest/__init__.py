"""PostgREST, as the sandbox plays it."""
