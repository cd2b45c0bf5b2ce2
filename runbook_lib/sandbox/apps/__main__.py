"""One part's process: `python -m runbook_lib.sandbox.apps PART OPTIONS CONTROL REPORT PORT`, started by the supervisor.

OPTIONS is JSON: resource attributes and the semantic conventions' age. CONTROL and REPORT are inherited file descriptors.
"""

import asyncio
import json
import logging
import sys

from runbook_lib.sandbox.apps import api, gateway, web
from runbook_lib.sandbox.apps.runtime import Runtime, serve

_PARTS = {"web": web.create, "api": api.create, "gateway": gateway.create}


def main() -> None:
    """Run one part until it is told to end."""
    part, options, control, report, port = sys.argv[1:6]
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.ERROR)

    async def run() -> None:
        runtime = Runtime(part, json.loads(options))
        await serve(runtime, _PARTS[part](runtime), int(control), int(report), int(port))

    asyncio.run(run())


main()
