"""01: a request failed. Two procedures under one stem, of the same steps: one request, or a window of them (see `is_for`)."""

from runbook_lib.procedures.failed_request.one_request import OneRequest
from runbook_lib.procedures.failed_request.request_window import RequestWindow

__all__ = ["OneRequest", "RequestWindow"]
