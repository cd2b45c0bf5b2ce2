"""web, API and gateway: small servers that trace with the real OpenTelemetry SDK, each a process of its own."""
