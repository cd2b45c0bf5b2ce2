"""The words everything speaks: model, errors, clock, redaction. Standard library and orjson only."""
