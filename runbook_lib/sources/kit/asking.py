"""What every source needs to ask honestly: a setting or the word that it is missing, lists that are lists, and what nothing means.

Nothing found is an answer only where the source could have had it. Before a source may say `empty` or `not_found`, the time
in question is held against how late things arrive there and how long they are kept.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Never, TypeVar

from pydantic import SecretStr

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door
from runbook_lib.settings import Settings, variable_names

Row = TypeVar("Row", bound=Mapping[str, Json])  # a record of core/records
Mark = TypeVar("Mark")
_RUN_MAY_TAKE = timedelta(minutes=5)  # between a run's moment, from which windows count, and its last question


def require_setting(door: Door, field: str) -> str:
    """The value of a setting. Raises LookError(not_configured), which names the variable and what it is for."""
    value = getattr(door.settings, field)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if not value:
        name, about = variable_names(field)[0], Settings.model_fields[field].description
        for unusable in (each for each in variable_names(field) if each in door.settings.unusable):
            why = door.settings.unusable[unusable]
            raise LookError(Status.not_configured, why, do_next=f"correct {unusable}: {about}")
        raise LookError(Status.not_configured, f"{name} is not set", do_next=f"set {name}: {about}")
    return str(value)


def window_arguments(window: Window | None) -> dict[str, Json]:
    """A window as a look's arguments: since and until, both None without one."""
    return dict(window.as_dict()) if window else {"since": None, "until": None}


def is_within(at: str | None, window: Window) -> bool:
    """Whether a time in our spelling lies in a window, to the millisecond that it is written with."""
    return at is not None and to_iso(window.since) <= at <= to_iso(window.until)


def rows_in(document: Json, key: str | None = None, *, may_lack: bool = False) -> list[dict[str, Json]]:
    """The list of objects in a document (under `key`, or the document itself). Raises TypeError or KeyError for anything else.

    Args:
        may_lack: the vendor leaves the key out (or says null) when there is nothing.
    """
    found = document
    if key is not None:
        if not isinstance(document, dict):
            raise TypeError(f"the answer is a {type(document).__name__}, not an object")
        found = document.get(key) if may_lack else document[key]
        if found is None and may_lack:
            return []
    if not isinstance(found, list) or any(not isinstance(row, dict) for row in found):
        raise TypeError(f"{key or 'the answer'} is no list of objects")
    return found


def text_of(row: Mapping[str, Json], *keys: str) -> str | None:
    """The first of the keys that holds a text that is not empty; None without one. Numbers are written out."""
    for key in keys:
        value = row.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def number_of(value: Json) -> float | None:
    """A number, or None where there is none. Raises TypeError for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"not a number: {value!r:.40}")
    return value


def whole_number_of(value: Json) -> int | None:
    """A whole number, or None where there is none. Raises TypeError or ValueError for anything else."""
    number = number_of(value)
    return None if number is None else int(number)


def whole_number(value: Json) -> int:
    """A whole number from a number or its text. Raises TypeError or ValueError for anything else, and for more than 64 bits."""
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a number of more than 64 bits")
    return number


def iso_of_ms(milliseconds: Json) -> str | None:
    """ISO 8601 of epoch milliseconds; None for None. Raises TypeError or ValueError for what is not a moment."""
    number = number_of(milliseconds)
    try:
        return None if number is None else to_iso(datetime.fromtimestamp(number / 1000, UTC))
    except OSError as error:
        raise ValueError(f"not a moment: {milliseconds!r:.40}") from error


def iso_of_text(text: Json) -> str | None:
    """A vendor's RFC 3339 text in our spelling; None for None. Nanoseconds are cut. Raises TypeError or ValueError otherwise."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"not a time: {text!r:.40}")
    moment = datetime.fromisoformat(_to_microseconds(text))
    return to_iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def iso_of_moment(value: Json) -> Json:
    """A datetime in our spelling; anything else as it is."""
    return to_iso(value if value.tzinfo else value.replace(tzinfo=UTC)) if isinstance(value, datetime) else value


def _to_microseconds(text: str) -> str:
    head, dot, tail = text.partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[: min(digits, 6)]}{tail[digits:]}" if dot else text


def judge_absence(
    door: Door,
    what: str,
    *,
    delay_s: float,
    retention_h: float,
    window: Window | None = None,
    at: datetime | None = None,
    one: bool = False,
    delay_setting: str = "",
    retention_setting: str = "",
) -> Answer[Never]:
    """What it means that a complete answer held nothing: too_recent, out_of_retention, not_found (one) or empty (many).

    Args:
        what: what was looked for, for the sentence.
        at: the moment of the one thing that was looked for, where it is known.
        window: where it was looked for. One thing of unknown time is too recent as long as part of the window is; a search
            is too recent only when the whole window is.
        one: one thing was asked for by its id.
    """
    now = door.clock()
    youngest, oldest = now - timedelta(seconds=delay_s), now - timedelta(hours=retention_h)
    if at is not None:
        begins = ends = at
    elif window is not None:
        begins, ends, oldest = window.since, window.until, oldest - _RUN_MAY_TAKE
    else:
        return Answer(Status.not_found, None, f"no {what}", "say when it was: without a time its age cannot be judged")
    if begins < oldest:
        return Answer(
            Status.out_of_retention,
            None,
            f"no {what}, and only the last {retention_h:g} h are kept",
            f"correct {retention_setting} if the source keeps more" if retention_setting else "",
        )
    if (ends if one else begins) > youngest:
        return Answer(
            Status.too_recent,
            None,
            f"no {what} yet; it takes up to {delay_s:g} s to arrive",
            f"look again in {delay_s:g} s" + (f", or correct {delay_setting}" if delay_setting else ""),
        )
    late = "" if one or ends <= youngest else f"; what is younger than {delay_s:g} s may still arrive"
    return Answer(Status.not_found if one else Status.empty, None, f"no {what}{late}")


def beyond_retention(door: Door, window: Window, retention_h: float) -> str:
    """Why what is found in a window may not be all: it begins before what the source keeps. Empty where it does not.

    A window as long as the retention is within it: a run counts back from its beginning, the source from the question.
    """
    kept_since = door.clock() - timedelta(hours=retention_h) - _RUN_MAY_TAKE
    return (
        f"only the last {retention_h:g} h are kept, and the window begins before" if window.since < kept_since else ""
    )


def still_arriving(door: Door, end_ns: int) -> str:
    """Why a trace that ended then may lack spans: it is younger than the backend's delay. Empty where it is not."""
    age_s = door.clock().timestamp() - end_ns / 1e9
    delay_s = door.settings.trace_delay_s
    return f"it ended {age_s:.1f} s ago, and spans take up to {delay_s:g} s to arrive" if age_s < delay_s else ""


def one_organization(found: Sequence[Row], key: str, known_by: str) -> Answer[Row]:
    """The organization that is meant: not_found without one, partial (the first of them) where several are called so.

    Args:
        key: of an organization's id in its row. known_by: what it was looked for by, in words.
    """
    if not found:
        return Answer(Status.not_found, None, f"no organization has this {known_by}")
    if len(found) > 1:
        why = f"several organizations are called so: {', '.join(str(each[key]) for each in found)}"
        return Answer(Status.partial, found[0], why, "give the organization's id")
    return Answer(Status.ok, found[0])


def require_list(reply: Reply, help: str) -> Reply:
    """A reply to a list call. Here 404 never means that nothing is there: the vendor hides what a key may not see.

    Raises LookError: denied for 404, else what the status stands for.
    """
    if reply.status_code in (404, 410):
        raise LookError(
            Status.denied, f"{reply.complaint()} (hidden, or no such place)", where=reply.where, do_next=help
        )
    return reply.raise_for_status(help)


def require_reply(reply: Reply, help: str = "") -> Reply:
    """A reply to a call that is always there: 404 means that the address is another thing's.

    Raises LookError: malformed for 404, else what the status stands for.
    """
    if reply.status_code in (404, 410):
        raise LookError(
            Status.malformed, f"{reply.complaint()}: this address is not what the setting says", where=reply.where
        )
    return reply.raise_for_status(help)


def read_pages(
    fetch: Callable[[Mark], tuple[list[Row], Mark | None]], first: Mark, limit: int
) -> tuple[list[Row], bool]:
    """Rows of all pages up to `limit`, and whether there are more.

    Args:
        fetch: given a page's mark, its rows and the next page's mark, or None after the last.
    """
    rows: list[Row] = []
    mark: Mark | None = first
    seen: set[Mark] = set()
    while mark is not None and len(rows) < limit:
        if mark in seen:  # a server that sends its reader in circles
            return rows, True
        seen.add(mark)
        page, mark = fetch(mark)
        rows += page
    return rows[:limit], mark is not None or len(rows) > limit


def answer_with_rows(
    rows: list[Row], more: bool, what: str, none: Callable[[], Answer[list[Row]]], lost: str = ""
) -> Answer[list[Row]]:
    """The answer of a search: its rows, partial when there are more than were read or kept, or `none()` where there are none.

    Args:
        lost: why what is found may not be all, by `beyond_retention`; empty where it is all.
    """
    if more:
        return Answer(Status.partial, rows, f"more {what} than the {len(rows)} that were read", "narrow the window")
    if rows and lost:
        return Answer(Status.partial, rows, lost, "ask for a window that the source still keeps")
    return Answer(Status.ok, rows) if rows else none()
