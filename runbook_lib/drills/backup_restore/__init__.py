"""The faults, cases and blind spots of 08."""
