"""Walking over a text of PostgREST's grammar, and saying where it stops making sense."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class GrammarError(Exception):
    """The text does not follow the grammar; the message says what came and what was expected, `column` where (from 1)."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


class Scanner:
    """Walks over a text from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def done(self) -> bool:
        """Whether the end is reached."""
        return self.at >= len(self.text)

    def peek(self, token: str) -> bool:
        """Whether this token comes next."""
        return self.text.startswith(token, self.at)

    def take(self, token: str) -> bool:
        """Step over this token when it comes next."""
        if self.peek(token):
            self.at += len(token)
            return True
        return False

    def need(self, token: str) -> None:
        """Step over this token; it must come next."""
        if not self.take(token):
            raise self.unexpected(f'"{token}"')

    def spaces(self) -> None:
        """Step over blanks."""
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def unexpected(self, expecting: str) -> GrammarError:
        """An error at this place."""
        came = "end of input" if self.done else f'"{self.text[self.at]}"'
        return GrammarError(f"unexpected {came} expecting {expecting}", self.at + 1)

    def read_quoted(self) -> str:
        """A text in double quotes, backslash escaping; the opening quote comes next."""
        self.need('"')
        out: list[str] = []
        while not self.done:
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                return "".join(out)
            if char == "\\" and not self.done:
                char = self.text[self.at]
                self.at += 1
            out.append(char)
        raise self.unexpected('"\\""')

    def name(self) -> str:
        """A field name: quoted, or letters, digits, `_`, `$`, spaces within, and dashes that begin no arrow."""
        if self.peek('"'):
            return self.read_quoted()
        if self.take("*"):
            return "*"
        start = self.at
        while not self.done:
            char = self.text[self.at]
            if not (char.isalnum() or char in "_$ " or (char == "-" and not self.peek("->"))):
                break
            self.at += 1
        found = self.text[start : self.at].strip(" ")
        if not found:
            raise self.unexpected("field name (* or [a..z0..9_$])")
        return found

    def read_until(self, stops: str) -> str:
        """Everything up to one of these characters (or the end)."""
        start = self.at
        while not self.done and self.text[self.at] not in stops:
            self.at += 1
        return self.text[start : self.at]


def parse_whole(text: str, rule: Callable[[Scanner], T]) -> T:
    """Apply a rule to the whole text.

    Raises:
        GrammarError: the rule failed, or left something over.
    """
    scanner = Scanner(text)
    value = rule(scanner)
    if not scanner.done:
        raise scanner.unexpected("end of input")
    return value


def parse_list(scanner: Scanner, rule: Callable[[Scanner], T]) -> list[T]:
    """One or more of a rule, separated by commas."""
    items = [rule(scanner)]
    while True:
        scanner.spaces()
        if not scanner.take(","):
            return items
        scanner.spaces()
        items.append(rule(scanner))
