"""The vendors, as the sandbox plays them: one folder each, in the vendor's own wire format."""
