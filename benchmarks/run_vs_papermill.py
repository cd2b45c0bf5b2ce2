"""`runbook run 01` from the shell to the sealed artifact, against stock `papermill` on the same notebook, in turn in one run.

Both look at the same sandbox, at the same failed request. Beside the ratio it shows what the time of `runbook run` goes
into: the interpreter's start, imports, the kernel's start, the cells, and the rest (checks, report, hashes, sealing).

    .venv/bin/python benchmarks/run_vs_papermill.py [rounds]
"""

import json
import os
import platform
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runbook_lib.drills.kit import faults
from runbook_lib.run.kernels import Kernel
from runbook_lib.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
IMPORTS = (
    "from runbook_lib.run.lean import leave_out; leave_out(); import runbook_lib.cli.app, runbook_lib.run.runner; "
    "from papermill import execute_notebook"
)


def timed(command: list[str], environment: dict[str, str], expected: tuple[int, ...]) -> float:
    """Seconds of one command; anything but an expected exit code ends the benchmark with what it said."""
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in expected:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-1500:]}")
    return time.perf_counter() - begun


def kernel_seconds() -> float:
    """Seconds from starting a kernel to its first answer."""
    begun = time.perf_counter()
    kernel = Kernel(ROOT, {})
    try:
        select.select([kernel.ready_end], [], [], 30)
        kernel.check_ready(30)
        return time.perf_counter() - begun
    finally:
        kernel.kill()


def cell_seconds(outputs: Path) -> float:
    """Seconds in the cells of the newest executed notebook."""
    newest = max(outputs.rglob("notebook.ipynb"), key=lambda path: path.stat().st_mtime)
    cells = json.loads(newest.read_text())["cells"]
    return sum(float(cell["metadata"].get("papermill", {}).get("duration") or 0) for cell in cells)


def main() -> None:
    """Measure and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    folder = Path(tempfile.mkdtemp(prefix="runbook-benchmark-"))
    ours, stock, starts, imports, kernels, cells = [], [], [], [], [], []
    try:
        with Sandbox.up("benchmark", foreground=True) as sandbox:
            faults.find("request.provider_failed.overloaded")(sandbox)
            request_id = sandbox.visit("chat")["request_id"]
            time.sleep(3)  # the trace backend's delay
            environment = {**os.environ, "RUNBOOK_SANDBOX": str(sandbox.env_file), "RUNBOOK_TARGET": "sandbox"}
            environment["RUNBOOK_OUTPUTS"] = str(folder / "outputs")
            run = [str(BIN / "runbook"), "run", "01", "-p", f"request_id={request_id}", "--json"]
            notebook = str(ROOT / "notebooks" / "01_failed_request.ipynb")
            papermill = [
                str(BIN / "papermill"),
                notebook,
                str(folder / "stock.ipynb"),
                "-k",
                "python3",
                "-r",
                "request_id",
                request_id,
            ]
            for number in range(rounds + 1):
                pair = (timed(run, environment, (1,)), timed(papermill, environment, (0,)))
                parts = (
                    timed([sys.executable, "-c", "pass"], environment, (0,)),
                    timed([sys.executable, "-c", IMPORTS], environment, (0,)),
                    kernel_seconds(),
                    cell_seconds(folder / "outputs"),
                )
                if number:  # the first round warms caches and is not counted
                    for values, value in zip(
                        (ours, stock, starts, imports, kernels, cells), (*pair, *parts), strict=True
                    ):
                        values.append(value)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    total, other = statistics.median(ours), statistics.median(stock)
    start, load = statistics.median(starts), statistics.median(imports) - statistics.median(starts)
    kernel, inside = statistics.median(kernels), statistics.median(cells)
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {rounds} rounds, medians\n")
    print("| what | seconds | ratio to stock papermill |\n|---|---|---|")
    print(f"| runbook run 01, to the sealed artifact | {total:.2f} | {total / other:.2f} |")
    print(f"| papermill, the same notebook | {other:.2f} | 1 |\n")
    print("| where it goes | seconds | share |\n|---|---|---|")
    rest = total - start - load - inside
    rows = (
        ("interpreter", start),
        ("imports (the kernel starts meanwhile)", load),
        ("cells", inside),
        ("kernel's wait, report, hashes, seal", rest),
    )
    for name, seconds in rows:
        print(f"| {name} | {seconds:.2f} | {seconds / total:.0%} |")
    print(f"\nA kernel alone, from its start to its first answer: {kernel:.2f} s.")


if __name__ == "__main__":
    main()
