"""Stripe's form encoding: brackets make objects and lists out of flat pairs."""

import re
from typing import Any
from urllib.parse import parse_qsl

_PART = re.compile(r"\[([^\]]*)\]")


def parse_form(text: str) -> dict[str, Any]:
    """`a[b]=1&c[]=2&d[0][e]=3` as `{"a": {"b": "1"}, "c": ["2"], "d": [{"e": "3"}]}`; values stay text."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, _, _ = name.partition("[")
        _put(root, [head, *_PART.findall(name[len(head) :])], value)
    settled: dict[str, Any] = _settle(root)
    return settled


def _put(node: dict[str, Any], path: list[str], value: str) -> None:
    key, rest = path[0], path[1:]
    if key == "":
        key = str(len(node))
    if not rest:
        node[key] = value
        return
    below = node.setdefault(key, {})
    if not isinstance(below, dict):
        below = node[key] = {}
    _put(below, rest, value)


def _settle(node: Any) -> Any:
    """Objects whose keys are 0, 1, 2 … are lists."""
    if not isinstance(node, dict):
        return node
    settled = {key: _settle(value) for key, value in node.items()}
    if settled and all(key.isdigit() for key in settled):
        return [settled[key] for key in sorted(settled, key=int)]
    return settled
