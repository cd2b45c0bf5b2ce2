"""The faults, cases, decoys and blind spots of 02."""
