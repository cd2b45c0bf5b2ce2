"""The faults of 01, in the order of its causes."""

from runbook_lib.sandbox.faults import failed_request_behind, failed_request_hidden, failed_request_parts
from runbook_lib.sandbox.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *failed_request_hidden.FAULTS,
    *failed_request_behind.FAULTS,
    *failed_request_parts.FAULTS,
)
