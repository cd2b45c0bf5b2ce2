"""The faults of 01, in the order of its causes."""

from runbook_lib.drills.failed_request import faults_behind as failed_request_behind
from runbook_lib.drills.failed_request import faults_hidden as failed_request_hidden
from runbook_lib.drills.failed_request import faults_parts as failed_request_parts
from runbook_lib.drills.kit.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *failed_request_hidden.FAULTS,
    *failed_request_behind.FAULTS,
    *failed_request_parts.FAULTS,
)
