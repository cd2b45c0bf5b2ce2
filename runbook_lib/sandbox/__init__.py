"""A small NexusCore that breaks on command: real processes, a real database, the vendors' APIs as façades, all on loopback."""

from runbook_lib.sandbox.handle import Sandbox

__all__ = ["Sandbox"]
