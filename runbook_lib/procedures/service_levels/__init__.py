"""09: service levels and alerts."""
