"""Where the runbook's own files are: notebooks, procedures, settings, outputs.

The home is the checkout; RUNBOOK_HOME names another folder of the same shape (`notebooks/`, `procedures/`, `.env`,
`outputs/`), for a team's own procedures and for tests. RUNBOOK_OUTPUTS moves the outputs alone.
"""

import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from runbook_lib.core.errors import NotebookError

if TYPE_CHECKING:
    from runbook_lib.procedures.base import Procedure

_STEM = re.compile(r"[0-9]{2}_[a-z][a-z0-9_]{0,60}", re.ASCII)
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Home:
    """The folders everything is found in; `root` holds `.env` and the `.env.NAME` files."""

    root: Path
    outputs: Path

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None, outputs: Path | None = None) -> "Home":
        """The home by environment; `outputs` wins over RUNBOOK_OUTPUTS."""
        variables = os.environ if environ is None else environ
        root = Path(variables.get("RUNBOOK_HOME") or CHECKOUT).expanduser().resolve()
        folder = outputs or Path(variables.get("RUNBOOK_OUTPUTS") or root / "outputs")
        return cls(root, folder.expanduser().absolute())

    @property
    def notebooks(self) -> Path:
        """The folder of the notebooks' templates."""
        return self.root / "notebooks"

    def environment(self) -> dict[str, str]:
        """The variables under which a child process finds the same home."""
        return {"RUNBOOK_HOME": str(self.root), "RUNBOOK_OUTPUTS": str(self.outputs)}

    def procedure(self, stem: str, parameters: Mapping[str, object] | None = None) -> "type[Procedure]":
        """The procedure's class, by its notebook's stem: 03_supabase_rls is in procedures/supabase_rls.

        Args:
            parameters: where a procedure has a class for one thing and another for all of them, they choose; none: all of them.

        Raises:
            NotebookError: there is no such module, or no class in it with that stem.
        """
        module = self._module(stem)
        for _, found in inspect.getmembers(module, inspect.isclass):
            if getattr(found, "stem", None) == stem and not inspect.isabstract(found):
                procedure = cast("type[Procedure]", found)
                if procedure.is_for(parameters or {}):
                    return procedure
        raise NotebookError(
            f"The procedure of {stem} cannot be found",
            where=module.__name__,
            came_back=f"no class in it has stem = {stem!r}",
            do_next="Give the notebook and its procedure the same stem.",
        )

    def _module(self, stem: str) -> ModuleType:
        if not _STEM.fullmatch(stem):  # it becomes part of a path
            raise NotebookError(
                "This is no name of a procedure",
                where=repr(stem[:60]),
                do_next="Names look like 03_supabase_rls; see `runbook list`.",
            )
        name = stem.partition("_")[2]
        local = self.root / "procedures" / f"{name}.py"
        if self.root != CHECKOUT and local.exists():
            return _load(f"runbook_home_procedures.{name}", local)
        try:
            return importlib.import_module(f"runbook_lib.procedures.{name}.steps")
        except ModuleNotFoundError as error:
            if error.name not in (f"runbook_lib.procedures.{name}", f"runbook_lib.procedures.{name}.steps"):
                raise
            raise NotebookError(
                f"The procedure of {stem} cannot be found",
                where=f"procedures/{name}.py",
                came_back="no such module",
                do_next="A notebook 03_supabase_rls needs a module procedures/supabase_rls/steps.",
            ) from error


def _load(name: str, path: Path) -> ModuleType:
    """A module from a file, once per process."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
