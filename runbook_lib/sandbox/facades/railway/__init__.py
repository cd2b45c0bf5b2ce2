"""Railway's GraphQL API, as the sandbox plays it."""
