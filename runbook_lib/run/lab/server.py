"""Starts JupyterLab for the runbook: loopback only, token on, no news from outside, kernels over private sockets.

What matters for safety is given like command-line arguments, which win over anybody's own configuration files.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runbook_lib.core.errors import NotebookError
from runbook_lib.run.home import Home
from runbook_lib.run.processes import MARK
from runbook_lib.run.runtime import own_folder

SECRETS_VARIABLE = "RUNBOOK_LAB_SECRETS"  # a private folder for what is typed into masked fields; gone with the server
_OURS = Path(__file__).parent.parent / "jupyter"


def serve(
    home: Home,
    notebook: Path,
    *,
    browser: bool,
    announce: Callable[[str], None],
    prepare: Callable[[Any], Any] | None = None,
) -> None:
    """Serve the outputs folder until interrupted, beginning with one notebook.

    Args:
        home: its outputs are what is served.
        notebook: within the outputs; opened first.
        browser: open the user's browser.
        announce: called with the address, token included, once the server listens.
        prepare: called with the server before the address is announced; may return something to await.

    Raises:
        NotebookError: the server did not start.
    """
    with _private_runtime() as runtime:
        _set_environment(home, runtime)
        from jupyterlab.labapp import LabApp

        token = secrets.token_hex(24)
        where = "lab/tree/" + quote(notebook.relative_to(home.outputs).as_posix())
        arguments = [
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.port=0",
            f"--IdentityProvider.token={token}",
            "--ServerApp.password=",
            f"--ServerApp.root_dir={home.outputs}",
            f"--ServerApp.allow_root={os.geteuid() == 0}",
            "--ServerApp.allow_remote_access=False",
            "--ServerApp.open_browser=False",
            f"--LabApp.open_browser={browser}",
            f"--LabApp.default_url=/{where}",
            "--LabApp.extension_manager=readonly",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None",
            "--ContentsManager.checkpoints_class=runbook_lib.run.lab.checkpoints.MaskedCheckpoints",
            "--KernelManager.transport=ipc",
            "--MultiKernelManager.default_kernel_name=runbook-python",
            "--Application.log_level=ERROR",
        ]
        try:
            server = LabApp.initialize_server(argv=arguments)
        except SystemExit as error:
            raise NotebookError(
                "JupyterLab did not start",
                came_back=f"it left with {error.code}",
                do_next="Its own message is above; another server may hold every port that was tried.",
            ) from error
        _sealing(server, home)
        if prepare is not None:
            server.io_loop.run_sync(lambda: prepare(server))
        # the server listens by a callback that is queued already; this one comes after it
        server.io_loop.add_callback(lambda: announce(f"{server.connection_url}{where}?token={token}"))
        server.start()


def _sealing(server: Any, home: Home) -> None:
    """Mask before, seal after every save."""
    from runbook_lib.run.lab.hooks import mask_before_save, seal_after_save

    server.contents_manager.register_pre_save_hook(mask_before_save(home))
    server.contents_manager.register_post_save_hook(seal_after_save(home))


@contextlib.contextmanager
def _private_runtime() -> Iterator[Path]:
    """A folder for connection files, sockets and typed secrets that only this user may enter; gone afterwards."""
    folder = own_folder(mark := secrets.token_hex(8))
    os.environ[MARK] = mark
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _set_environment(home: Home, runtime: Path) -> None:
    """What the server and the kernels that it starts inherit."""
    (runtime / "secrets").mkdir(mode=0o700)
    os.environ.update(home.environment())
    os.environ["JUPYTER_RUNTIME_DIR"] = str(runtime)
    os.environ[SECRETS_VARIABLE] = str(runtime / "secrets")
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH"):
        os.environ[name] = os.pathsep.join(filter(None, (str(_OURS), os.environ.get(name))))
