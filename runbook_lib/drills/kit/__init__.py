"""What every drill is made of: cases, faults, arenas, records, results."""
