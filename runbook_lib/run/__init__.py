"""Running procedures: `open_run` for notebooks, `run_procedure` without a kernel, `run_notebook` with one.

Imported lazily: the command line must not pay for what a command does not use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runbook_lib.core.secret_ref import SecretRef
    from runbook_lib.run.headless import run_procedure
    from runbook_lib.run.opening import open_run

__all__ = ["SecretRef", "open_run", "run_procedure"]


def __getattr__(name: str) -> Any:
    if name == "open_run":
        from runbook_lib.run.opening import open_run

        return open_run
    if name == "run_procedure":
        from runbook_lib.run.headless import run_procedure

        return run_procedure
    if name == "SecretRef":
        from runbook_lib.core.secret_ref import SecretRef

        return SecretRef
    raise AttributeError(name)
