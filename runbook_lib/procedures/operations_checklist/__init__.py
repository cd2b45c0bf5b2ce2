"""00: the operations checklist."""
