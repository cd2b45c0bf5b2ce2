"""Optional parts that a test may lack: a visible skip on a plain machine, a failure where everything was promised."""

import os
from typing import NoReturn

import pytest


def missing(words: str) -> NoReturn:
    """End the test for want of a part: as failed where RUNBOOK_TESTS_NEED_EVERYTHING is 1, else as skipped, with the reason."""
    if os.environ.get("RUNBOOK_TESTS_NEED_EVERYTHING") == "1":
        pytest.fail(words)
    pytest.skip(words)
