"""What the two procedures of deployments share."""
