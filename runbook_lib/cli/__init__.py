"""The command line, thin: parse, call one function, print. Nothing heavy is imported before a command needs it."""

import sys


def main() -> None:
    """The `runbook` command."""
    # jsonschema (by way of nbformat) builds 35 grammars for formats that nobody here uses; without the module it does not
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    from runbook_lib.cli.app import run_app

    run_app(sys.argv[1:])
