"""Masking takes nothing that a verdict rests on: what the drills really saw, and the words of our own records, come through it."""

import importlib
import pkgutil
import typing
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import orjson
import pytest
from typing_extensions import is_typeddict

import runbook_lib.core.records
from runbook_lib.core.pseudonyms import Pseudonyms
from runbook_lib.core.redact import Redactor
from runbook_lib.drills.kit.case_list import select
from runbook_lib.drills.kit.records import read
from runbook_lib.procedures.catalogues import CATALOGUES

PROCEDURES = sorted(catalogue.procedure for catalogue in CATALOGUES)


@pytest.mark.slow  # all records together
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_what_was_seen_comes_through_masking_unchanged(procedure: str) -> None:
    redactor = Redactor(pseudonyms=Pseudonyms(b"another key", "another incident"))
    changed = set()
    for case in select(procedure=procedure):
        for record in read(procedure, case.id):
            for seen in record.observations:
                encoded = orjson.dumps([seen.value, seen.why])
                if redactor.data(encoded) != encoded:
                    changed.add(f"{seen.source}.{seen.call}")
    assert changed == set()


def _words_of_records() -> Iterator[tuple[str, str]]:
    """Every word that a record of ours may hold in one field, with the field's name."""
    for module in pkgutil.iter_modules(runbook_lib.core.records.__path__):
        room = importlib.import_module(f"runbook_lib.core.records.{module.name}")
        for record in vars(room).values():
            if is_typeddict(record):
                for name, kind in get_type_hints(record).items():
                    yield from ((name, word) for word in _literals(kind))


def _literals(kind: Any) -> Iterator[str]:
    if get_origin(kind) is typing.Literal:
        yield from (word for word in get_args(kind) if isinstance(word, str))
    else:
        for inner in get_args(kind):
            yield from _literals(inner)


def test_a_word_of_our_own_is_no_secret_whatever_its_field_is_called() -> None:
    words = set(_words_of_records())
    assert len(words) >= 20
    for name, word in words:
        said = orjson.dumps({name: word})
        assert Redactor().data(said) == said
