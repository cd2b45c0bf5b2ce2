"""A process that leaves while a look is being masked leaves with its own exit code."""

import subprocess
import sys

import pytest

LEAVES = """
import sys, threading, time
from runbook_lib.core.redact import Redactor
from runbook_lib.io.leaving import inside

def mask():
    redactor = Redactor(["a-secret-0123456789"])
    while True:
        with inside():
            redactor.data(text)

text = b'["' + b"level=info msg=hello " * 300_000 + b'"]'
for _ in range(3):
    threading.Thread(target=mask, daemon=True).start()
time.sleep(0.2)
sys.exit(3)
"""


@pytest.mark.slow
def test_it_leaves_with_its_code_while_threads_mask() -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (3, "")
