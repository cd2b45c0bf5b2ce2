"""What helps where a look came back without an answer, by its status; used where the source itself says nothing better."""

from collections.abc import Mapping

from runbook_lib.core.model import Status

HELP: Mapping[Status, str] = {
    Status.partial: "ask for a narrower window",
    Status.too_recent: "wait for the source's delay to pass and run again",
    Status.out_of_retention: "use an artifact or an archive of that time; the source has forgotten",
    Status.denied: "a key with the permission that the source asks for",
    Status.rate_limited: "wait for the limit to reset and run again",
    Status.unreachable: "check the source's address, its own status page and this machine's network, then run again",
    Status.timed_out: "run again when the source is quicker",
    Status.malformed: "check that the address is the source's own, not a login page's",
    Status.not_configured: "set the source's address and key; `runbook doctor` names them",
    Status.not_recorded: "run the procedure again against the live system",
}
