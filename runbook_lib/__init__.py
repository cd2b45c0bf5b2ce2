"""The NexusCore runbook's library: looks, thinks and says; everything it saw is kept so that anyone can look again."""

__version__ = "0.1.0"
