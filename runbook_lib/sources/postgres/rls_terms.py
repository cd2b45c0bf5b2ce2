"""The terms of a policy's expression: what AND joins at its outermost level, as Postgres writes it."""


def terms_of(expression: str) -> list[str]:
    """The terms; the expression itself where it has only one. Quotes and parentheses are respected."""
    text = _bare(expression.strip())
    pieces, depth, quote, start, place = [], 0, "", 0, 0
    while place < len(text):
        char = text[place]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif depth == 0 and text[place : place + 5].upper() == " AND ":
            pieces.append(text[start:place].strip())
            start = place + 5
            place += 4
        place += 1
    return [*pieces, text[start:].strip()]


def _bare(text: str) -> str:
    """Without parentheses around the whole."""
    while text.startswith("(") and text.endswith(")"):
        depth, quote = 0, ""
        for place, char in enumerate(text):
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            elif char in "()":
                depth += 1 if char == "(" else -1
            if depth == 0 and place < len(text) - 1:
                return text
        text = text[1:-1].strip()
    return text
