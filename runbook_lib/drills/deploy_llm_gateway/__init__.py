"""The faults, cases and decoys of 07."""
