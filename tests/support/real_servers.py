"""The real Prometheus and Alertmanager, from Debian's packages as `.ci/run` unpacks them into the environment: child processes on
free loopback ports, ended after the tests."""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from support.needs import missing

T = TypeVar("T")

DEBIAN = Path(sys.prefix) / "debian"
_LISTENS = re.compile(r'msg="Listening on" address=(\S+)')
_PATIENCE_S = 120.0


def debian(name: str) -> str:
    """The path of a program of the packages; without it the test ends as skipped, or as failed where everything was promised."""
    path = DEBIAN / "usr/bin" / name
    if not path.exists():
        missing(
            f"there is no {name} in {DEBIAN}: .ci/run unpacks Debian's prometheus and prometheus-alertmanager there"
        )
    return str(path)


def wait_until(look: Callable[[], T], what: str) -> T:
    """What `look()` brings as soon as that is something; patient, for machines are busy."""
    ends = time.monotonic() + _PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < ends, f"not within {_PATIENCE_S:g} s: {what}"
        time.sleep(0.05)
    return found


def output_of(*command: str) -> str:
    """What a program of the packages prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    assert done.returncode == 0, f"{command[:4]}: {done.stderr[-600:]}"
    return done.stdout


@contextlib.contextmanager
def real_prometheus(folder: Path, samples: str, config: dict[str, Any], *options: str) -> Iterator[str]:
    """The base URL of a Prometheus that holds these samples, in OpenMetrics' text with timestamps."""
    program, promtool = debian("prometheus"), debian("promtool")
    (folder / "samples.txt").write_text(samples)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    blocks = ("tsdb", "create-blocks-from", "--max-block-duration=512h", "--quiet", "openmetrics")
    output_of(promtool, *blocks, str(folder / "samples.txt"), str(folder / "data"))
    paths = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}")
    with _served([program, *paths, *options], folder / "log") as url:
        yield url


@contextlib.contextmanager
def real_alertmanager(folder: Path, config: dict[str, Any], *options: str) -> Iterator[str]:
    """The base URL of an Alertmanager; its configuration is in alertmanager.yml, its log in log."""
    program = debian("prometheus-alertmanager")
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    paths = (f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}")
    with _served([program, *paths, "--cluster.listen-address=", *options], folder / "log") as url:
        yield url


@contextlib.contextmanager
def _served(command: Sequence[str], log: Path) -> Iterator[str]:
    """The base URL of a server that says in its log on which free port it listens, as soon as it is ready."""
    arguments = [*command, "--web.listen-address=127.0.0.1:0"]
    with log.open("w") as out:
        # `.ci/run` let Debian's Alertmanager look for its templates below its working folder
        process = subprocess.Popen(arguments, cwd=DEBIAN, stdout=out, stderr=subprocess.STDOUT)
    try:
        url = f"http://{wait_until(lambda: _address(process, log), f'{command[0]} listens')}"
        wait_until(lambda: _is_ready(url), f"{command[0]} is ready")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str | None:
    found = _LISTENS.search(log.read_text())
    assert process.poll() is None, f"it ended by itself: {log.read_text()[-800:]}"
    return found[1] if found else None


def _is_ready(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200
    return False
