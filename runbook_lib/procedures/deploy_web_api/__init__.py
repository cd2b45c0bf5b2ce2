"""06: a deployment of web or API."""
