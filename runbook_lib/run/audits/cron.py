"""Cron expressions of five fields, as cron, GitHub Actions and systemd each want them. Times are UTC everywhere.

Grammar: crontab(5) without names and without `@` words: `*`, `a`, `a-b`, `a,b`, each with `/step`. The calendar form is
systemd.time(7)'s: `Mon *-*-* 02:17:00 UTC`.
"""

import re
from dataclasses import dataclass

from runbook_lib.core.errors import UsageError

_ITEM = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", re.ASCII)
_BOUNDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Cron:
    """A checked expression. `fields` are its five texts: minute, hour, day of month, month, day of week."""

    fields: tuple[str, str, str, str, str]

    @classmethod
    def parse(cls, text: str, *, where: str) -> "Cron":
        """Check an expression.

        Raises:
            UsageError: not five fields, or one that holds what its place cannot; the field is named.
        """
        fields = text.split()
        if len(fields) != 5:
            raise _bad(text, where, f"it has {len(fields)} fields, not five")
        for field, (name, low, high) in zip(fields, _BOUNDS, strict=True):
            for item in field.split(","):
                match = _ITEM.fullmatch(item)
                numbers = [int(number) for number in (match.groups()[:2] if match else ()) if number is not None]
                if match is None or any(not low <= number <= high for number in numbers):
                    raise _bad(text, where, f"its {name} is {item!r}, not of {low} to {high}")
                if numbers != sorted(numbers) or match[3] == "0":
                    raise _bad(text, where, f"its {name} is {item!r}, a range or step that holds nothing")
        return cls((fields[0], fields[1], fields[2], fields[3], fields[4]))

    def __str__(self) -> str:
        return " ".join(self.fields)

    @property
    def calendar(self) -> str:
        """The same as systemd's OnCalendar."""
        minute, hour, day, month, weekday = self.fields
        days = "" if weekday == "*" else _weekdays(weekday) + " "
        return f"{days}*-{_range(month)}-{_range(day)} {_range(hour)}:{_range(minute)}:00 UTC"

    @property
    def is_either_day(self) -> bool:
        """Whether both day fields are limited: cron then means either of them, and systemd would mean both."""
        return self.fields[2] != "*" and self.fields[4] != "*"


def _range(field: str) -> str:
    """A field in systemd's spelling: `2-5/2` is `2..5/2`, and `*/5` begins at the lowest, which `*/5` says there as well."""
    return field.replace("-", "..")


def _weekdays(field: str) -> str:
    found = []
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        assert match is not None
        first, last, step = match[1], match[2], int(match[3] or 1)
        low = int(first) if first is not None else 0
        high = int(last) if last is not None else (low if first is not None and not match[3] else 6)
        found += [_DAYS[day] for day in range(low, high + 1, step)]
    return ",".join(dict.fromkeys(found))


def _bad(text: str, where: str, problem: str) -> UsageError:
    return UsageError(
        "Cannot use this time",
        where=where,
        came_back=f"{text!r}: {problem}",
        do_next='Give five fields of cron, in UTC: "17 2 * * *" is 02:17 every day.',
    )
