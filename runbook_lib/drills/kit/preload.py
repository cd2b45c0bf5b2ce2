"""What `runbook run` and its kernel import, imported: the drills fork both from a process that has read this module.

Nothing here may start a thread or open a socket, for neither survives a fork.
"""

import importlib
import pkgutil

from runbook_lib.run.lean import leave_out, leave_out_debugger

leave_out()
leave_out_debugger()

_HEAVY = ("ipykernel.kernelapp", "mistune", "papermill.execute", "runbook_lib.cli.app", "runbook_lib.sandbox")
_PACKAGES = ("runbook_lib.artifact", "runbook_lib.procedures", "runbook_lib.run", "runbook_lib.show")

for _name in _HEAVY:
    importlib.import_module(_name)
for _package in _PACKAGES:
    for _module in pkgutil.walk_packages(importlib.import_module(_package).__path__, f"{_package}."):
        importlib.import_module(_module.name)
