"""PostgREST's query string, and what does not follow its grammar."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.sandbox.facades.postgrest.errors import RestError
from runbook_lib.sandbox.facades.postgrest.query import Filter, OrderTerm, all_of, filter_value, order, parse, select
from runbook_lib.sandbox.facades.postgrest.scanner import GrammarError
from runbook_lib.sandbox.facades.postgrest.sql import array_literal, ident


def test_a_select_lists_columns_quoted_or_not() -> None:
    assert select('id, "a.b",body') == ["id", "a.b", "body"]


def test_a_filter_keeps_dots_commas_and_quotes_of_its_value() -> None:
    assert filter_value("a", 'eq.x.y,"z"').values == ('x.y,"z"',)
    assert filter_value("a", 'not.in.("a,b","c\\"d",e)') == Filter("a", "in", ("a,b", 'c"d', "e"), True)


def test_the_filters_of_an_and_are_as_those_of_parameters() -> None:
    assert all_of('(at.gte.2026-11-01T00:00:00Z,name.eq."a,b",c.not.is.null)') == [
        Filter("at", "gte", ("2026-11-01T00:00:00Z",)),
        Filter("name", "eq", ("a,b",)),
        Filter("c", "is", ("null",), True),
    ]


def test_an_order_term_names_its_direction_and_its_nulls() -> None:
    assert order("a.desc.nullslast,b") == [OrderTerm("a", "desc", "nullslast"), OrderTerm("b", None, None)]


@pytest.mark.parametrize(
    ("query", "column"),
    [({"id": "is.maybe"}, 4), ({"order": "id.sideways"}, 4), ({"and": "(a.eq.1,b.eq.2"}, 18), ({"id": "1"}, 1)],
)
def test_what_does_not_follow_the_grammar_is_pgrst100_with_its_place(query: dict[str, str], column: int) -> None:
    with pytest.raises(RestError) as refused:
        parse(list(query.items()))
    assert (refused.value.status, refused.value.code) == (400, "PGRST100")
    assert refused.value.message.endswith(f"(line 1, column {column})")


@given(st.text(max_size=60))
def test_any_text_is_either_understood_or_refused(text: str) -> None:
    for rule in (select, order, lambda t: filter_value("a", t), all_of, lambda t: parse([(t, t)])):
        with contextlib.suppress(GrammarError, RestError):
            rule(text)


@given(st.text(min_size=1, max_size=20))
def test_a_name_cannot_leave_its_quotes(name: str) -> None:
    quoted = ident(name)
    assert (quoted[0], quoted[-1]) == ('"', '"')
    assert quoted[1:-1].replace('""', "").count('"') == 0


def test_an_array_literal_quotes_every_element() -> None:
    assert array_literal(("a,b", 'c"d', "e\\f")) == '{"a,b","c\\"d","e\\\\f"}'
