"""JupyterLab's checkpoints, masked: a notebook that somebody put below outputs by hand was never saved through the hook."""

from typing import Any

from jupyter_server.services.contents.filecheckpoints import AsyncGenericFileCheckpoints

from runbook_lib.run.home import Home
from runbook_lib.run.lab.hooks import redactor_of
from runbook_lib.run.lab.masking import mask_content, mask_notebook


class MaskedCheckpoints(AsyncGenericFileCheckpoints):
    """Writes what a save would write; named to the server by its class alone, so it finds the home itself."""

    async def create_notebook_checkpoint(self, nb: dict[str, Any], path: str) -> Any:
        """Keep a notebook's checkpoint. The server's own name for a method and its arguments."""
        import nbformat

        clean = nbformat.from_dict(mask_notebook(nb, redactor_of(Home.find(), nb)))  # type: ignore[no-untyped-call]
        return await super().create_notebook_checkpoint(clean, path)  # type: ignore[no-untyped-call]

    async def create_file_checkpoint(self, content: str, format: str, path: str) -> Any:
        """Keep another file's checkpoint. The server's own name for a method and its arguments."""
        clean = mask_content(content, format, redactor_of(Home.find()))
        return await super().create_file_checkpoint(clean, format, path)  # type: ignore[no-untyped-call]
