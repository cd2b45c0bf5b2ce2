"""From a conclusion to a verdict: everything about the run that reached it; and the verdict of a run that was cut off."""

from collections.abc import Sequence

import orjson

from runbook_lib.core.clock import Window
from runbook_lib.core.model import (
    Conclusion,
    Json,
    Observation,
    Suspect,
    Unseen,
    Verdict,
    VerdictStatus,
    fingerprint,
    verdict_sha256,
)
from runbook_lib.core.redact import Redactor
from runbook_lib.io.observe import Observer
from runbook_lib.run.context import RunContext
from runbook_lib.run.library import library_sha256, runbook_version

EXIT_OF = {VerdictStatus.ruled_out: 0, VerdictStatus.confirmed: 1, VerdictStatus.could_not_tell: 3}


def make_verdict(context: RunContext, conclusion: Conclusion, observer: Observer, window: Window) -> Verdict:
    """The verdict of a run, with what it looked at and how long it took since it was opened."""
    cited = {
        identity
        for finding in (*conclusion.causes, *conclusion.states, *conclusion.blind, *conclusion.also)
        for identity in finding.evidence
    }
    seconds = [observer.seconds_at[identity] for identity in cited if identity in observer.seconds_at]
    return Verdict(
        procedure=context.procedure,
        incident=context.incident,
        run=context.run,
        target=context.target,
        parameters=context.parameters,
        window=window.as_dict(),
        conclusion=conclusion,
        looked_at=tuple(list_looks(observer.observations)),
        first_evidence_s=round(min(seconds), 3) if seconds else None,
        verdict_s=round(observer.seconds, 3),
        started_at=context.now,
        runbook_version=runbook_version(),
        library_sha256=library_sha256(),
    )


def list_looks(observations: Sequence[Observation]) -> list[dict[str, Json]]:
    """The looks of a run as verdict.json lists them."""
    return [
        {
            "id": each.id,
            "source": each.source,
            "call": each.call,
            "status": str(each.status),
            "elapsed_ms": each.elapsed_ms,
        }
        for each in observations
    ]


def conclude_cut_off(procedure: str, observations: Sequence[Observation], why: str) -> Conclusion:
    """What a run says that hit its own deadline before it could conclude: it could not tell, and how to let it.

    Pure: a replay of the same record says the same.
    """
    unseen = [
        Unseen(each.source, each.call, str(each.status), each.why, each.help)
        for each in observations
        if not each.status.answered
    ]
    again = Suspect(
        code="",
        subject=procedure,
        why=why,
        deciding_look="run the procedure again with a longer --deadline, or with a narrower window",
    )
    return Conclusion(VerdictStatus.could_not_tell, suspects=(again,), not_seen=tuple(dict.fromkeys(unseen)))


def verdict_document(verdict: Verdict, redactor: Redactor) -> dict[str, Json]:
    """verdict.json: redacted once more, with its fingerprints and its hash taken over exactly what is written.

    A parameter may be an e-mail address, and so may a subject; a replay knows them masked only, and must agree.
    """
    written: dict[str, Json] = orjson.loads(redactor.own(orjson.dumps(verdict.as_dict())))
    for key in ("causes", "also", "states", "blind"):
        for finding in written[key]:
            finding["fingerprint"] = fingerprint(verdict.procedure, finding["code"], finding["subject"])
    written["verdict_sha256"] = verdict_sha256(written)
    return written
