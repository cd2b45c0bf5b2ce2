"""03: a user is denied their own rows."""
