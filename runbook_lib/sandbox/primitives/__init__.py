"""The general ways to break the sandbox, each of which leaves behind how it is undone."""
