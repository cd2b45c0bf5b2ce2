"""The one law by which findings become a verdict: causes, witnesses, findings, plans."""
