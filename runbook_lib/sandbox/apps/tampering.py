"""What is wrong with one part at the moment: set by the supervisor over a private pipe, read by the part as it works.

Healthy is the default of every field. Nothing of it is visible on the wire, in a log or in the part's environment.
"""

import fnmatch
import random
import time
from dataclasses import dataclass, field, fields
from typing import Any

from runbook_lib.sandbox.primitives.overrides import Override


@dataclass
class Bug:
    """A bug in a part's code, on the routes that match.

    raise_type/raise_message: an exception that the handler raises ("" = none).
    delay_s: time the handler wastes before its work; it shows as self time of the handler's span.
    recorded_as: how the exception is recorded on the span: "event", "attributes", or "status" (the message only).
    count: how many requests it strikes (None = all). probability: the share it strikes.
    after_reply: raise after the answer's first byte (a stream that breaks) instead of before.
    """

    route: str = "*"
    raise_type: str = ""
    raise_message: str = ""
    delay_s: float = 0.0
    recorded_as: str = "event"
    count: int | None = None
    probability: float = 1.0
    after_reply: bool = False


@dataclass
class SpanRule:
    """What happens to a part's finished spans before they leave. `name` and `scope` are globs; "*" is every span.

    drop: they never leave. rename: their new name. drop_attributes: globs of attribute names that are taken off.
    set_attributes: put on. lose_parent: they become roots.
    """

    name: str = "*"
    scope: str = "*"
    drop: bool = False
    rename: str = ""
    drop_attributes: list[str] = field(default_factory=list)
    set_attributes: dict[str, Any] = field(default_factory=dict)
    lose_parent: bool = False


@dataclass
class Blocked:
    """Calls of a part that do not get out: those to addresses that begin with `to`; "" is every address.

    how: refused, dns (the name does not resolve), reset, or hang (nothing comes back until the caller gives up).
    """

    to: str = ""
    how: str = "refused"


@dataclass
class Tampering:
    """Everything that is wrong with one part.

    clock_shift_s moves the part's clock (spans, logs, signature checks). unsampled is the share of traces that the part
    does not sample. ignores_traceparent: incoming context is not read. sends_no_traceparent: outgoing calls carry none.
    no_backoff: retries follow each other at once; constant_backoff_s: after the same wait each time.
    attempts: retries of a provider (None = as configured). timeout_s: the part's client gives up after this (None = as
    configured). no_fallback: the chain's first member is the only one tried. blocked: calls that do not get out.
    listens_on: the loopback address it listens on. Of the API's webhook: rewrites_body before the signature is checked;
    ignores_events, answers and does nothing; takes_unsigned, checks no signature.
    """

    overrides: list[Override] = field(default_factory=list)
    bugs: list[Bug] = field(default_factory=list)
    span_rules: list[SpanRule] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    clock_shift_s: float = 0.0
    unsampled: float = 0.0
    ignores_traceparent: bool = False
    sends_no_traceparent: bool = False
    no_backoff: bool = False
    constant_backoff_s: float | None = None
    attempts: int | None = None
    timeout_s: float | None = None
    no_fallback: bool = False
    listens_on: str = "127.0.0.1"
    rewrites_body: bool = False
    ignores_events: bool = False
    takes_unsigned: bool = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Tampering":
        """Rebuild from what `dataclasses.asdict` made of one."""
        lists: dict[str, Any] = {"overrides": Override, "bugs": Bug, "span_rules": SpanRule, "blocked": Blocked}
        values: dict[str, Any] = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        for name, kind in lists.items():
            values[name] = [kind(**item) for item in values.get(name, [])]
        return cls(**values)


class Condition:
    """The part's view of its own tampering: one object for the life of the process, its content replaced as a whole."""

    def __init__(self) -> None:
        self.now = Tampering()
        self._struck: dict[str, int] = {}

    def replace(self, tampering: Tampering) -> None:
        """From now on, this is wrong."""
        self.now = tampering
        present = {repr(bug) for bug in tampering.bugs}
        self._struck = {key: count for key, count in self._struck.items() if key in present}

    def time_s(self) -> float:
        """The part's clock, epoch seconds."""
        return time.time() + self.now.clock_shift_s

    def egress_failure(self, url: str) -> str:
        """How a call to this address fails to get out; empty where it does get out."""
        return next((blocked.how for blocked in self.now.blocked if url.startswith(blocked.to)), "")

    def bug_for(self, route: str) -> Bug | None:
        """The bug that strikes this request, or None."""
        for bug in self.now.bugs:
            if not fnmatch.fnmatchcase(route, bug.route):
                continue
            struck = self._struck.get(repr(bug), 0)
            if bug.count is not None and struck >= bug.count:
                continue
            if bug.probability < 1 and random.random() >= bug.probability:
                continue
            self._struck[repr(bug)] = struck + 1
            return bug
        return None
