"""A stand-in for Docker's engine: it builds a Dockerfile by reading it, and runs a uvicorn command as a small HTTP server.

No image is pulled and nothing of the Dockerfile is executed. It fails where the real one would: at a file that is not there,
at a RUN that ends with an error, at a command that ends; and a port is reachable only where the command serves it.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TextIO

HOME = Path(tempfile.gettempdir()) / f"runbook-docker-stand-in-{os.getuid()}"
LIVES_S = 120.0


def main(arguments: list[str]) -> int:
    """One docker command."""
    command, rest = arguments[0], arguments[1:]
    HOME.mkdir(mode=0o700, exist_ok=True)
    known = {
        "version": version, "build": build, "run": run, "port": port, "inspect": inspect, "logs": logs, "rm": remove,
        "rmi": remove_image, "serve": serve,
    }  # fmt: skip
    if command not in known:
        _say(f"unknown command: docker {command}", sys.stderr)
        return 1
    return known[command](rest)


def version(_: list[str]) -> int:
    """The engine's version."""
    _say("27.3.1")
    return 0


def build(rest: list[str]) -> int:
    """Read the Dockerfile as a builder would, step by step."""
    name, file, context = _option(rest, "-t"), Path(_option(rest, "-f")), Path(rest[-1])
    lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")]
    command, exposed = "", []
    for number, line in enumerate(lines, 1):
        _say(f"#{number} [{number}/{len(lines)}] {line}", sys.stderr)
        word, _, text = line.partition(" ")
        if word == "COPY" and "--from" not in text:
            for source in text.split()[:-1]:
                if source != "." and not (context / source).exists():
                    return _fail(number, f'failed to compute cache key: "/{source}": not found')
        elif word == "RUN" and re.search(r"\bexit [1-9]|\bfalse\b", text):
            return _fail(number, f'process "/bin/sh -c {text}" did not complete successfully: exit code: 1')
        elif word == "EXPOSE":
            exposed.append(text)
        elif word in ("CMD", "ENTRYPOINT"):
            command = " ".join(json.loads(text)) if text.startswith("[") else text
    if not lines or not lines[0].startswith("FROM "):
        return _fail(1, "no build stage in current context")
    _write("image", name, {"command": command, "exposed": exposed})
    return 0


def run(rest: list[str]) -> int:
    """Start a container: a server where the command serves one, else one that has ended."""
    name, image = _option(rest, "--name"), rest[-1]
    command = str(_read("image", image)["command"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        published = int(free.getsockname()[1])
    held: dict[str, object] = {"command": command, "published": published, "pid": 0, "exit_code": None, "said": ""}
    ends = re.search(r"SystemExit\((\d+)\)", command)
    plain = re.search(r"http\.server(?: (\d+))?", command)
    if "uvicorn" not in command and not plain:
        held |= {"exit_code": int(ends[1]) if ends else 127, "said": f"{command}: ended"}
    else:
        served = plain or re.search(r"--port[ =](\d+)", command)
        host = re.search(r"--host[ =](\S+)", command)
        serves, at = int((served and served[1]) or 8000), host[1] if host else "::" if plain else "127.0.0.1"
        held["said"] = f"INFO:     Uvicorn running on http://{at}:{serves} (Press CTRL+C to quit)" if not plain else ""
        if serves == 8000 and not at.startswith("127."):
            child = subprocess.Popen(
                [sys.executable, __file__, "serve", str(published)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            held["pid"] = child.pid
    _write("container", name, held)
    _say("0123456789abcdef")
    return 0


def serve(rest: list[str]) -> int:
    """The gateway's page on a port of loopback, until it is ended or its time is over."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"message":"LLM gateway"}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", int(rest[0])), Page)
    threading.Timer(LIVES_S, server.shutdown).start()
    server.serve_forever(poll_interval=0.1)
    return 0


def port(rest: list[str]) -> int:
    """Where the container's port is published."""
    _say(f"127.0.0.1:{_read('container', rest[0])['published']}")
    return 0


def inspect(rest: list[str]) -> int:
    """Whether it runs, how it ended, whether for its memory."""
    held = _read("container", rest[-1])
    _say(f"{str(held['exit_code'] is None).lower()} {held['exit_code'] or 0} false")
    return 0


def logs(rest: list[str]) -> int:
    """What it wrote."""
    _say(_read("container", rest[-1])["said"], sys.stderr)
    return 0


def remove(rest: list[str]) -> int:
    """End and forget a container."""
    pid = int(str(_read("container", rest[-1])["pid"]))
    if pid:
        os.kill(pid, signal.SIGTERM)
    _place("container", rest[-1]).unlink()
    return 0


def remove_image(rest: list[str]) -> int:
    """Forget an image."""
    _place("image", rest[-1]).unlink(missing_ok=True)
    return 0


def _say(what: object, stream: TextIO = sys.stdout) -> None:
    print(what, file=stream, flush=True)


def _option(rest: list[str], name: str) -> str:
    return rest[rest.index(name) + 1]


def _fail(number: int, why: str) -> int:
    _say(f"#{number} ERROR: {why}\nERROR: failed to solve: {why}", sys.stderr)
    return 1


def _place(kind: str, name: str) -> Path:
    return HOME / f"{kind}-{name}.json"


def _write(kind: str, name: str, held: dict[str, object]) -> None:
    _place(kind, name).write_text(json.dumps(held))


def _read(kind: str, name: str) -> dict[str, object]:
    try:
        found: dict[str, object] = json.loads(_place(kind, name).read_text())
    except FileNotFoundError:
        _say(f"Error: No such {kind}: {name}", sys.stderr)
        raise SystemExit(1) from None
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
