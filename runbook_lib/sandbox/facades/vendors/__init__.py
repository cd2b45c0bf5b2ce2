"""Status pages and the receivers of alerts, as the sandbox plays them."""
