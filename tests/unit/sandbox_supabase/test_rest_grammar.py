"""PostgREST's query grammar, and what does not follow it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.sandbox.facades.postgrest.errors import RestError
from runbook_lib.sandbox.facades.postgrest.grammar import (
    Field,
    Filter,
    Logic,
    SelectEmbed,
    SelectField,
    filter_value,
    logic,
    order,
    select,
)
from runbook_lib.sandbox.facades.postgrest.parameters import parse
from runbook_lib.sandbox.facades.postgrest.scanner import GrammarError
from runbook_lib.sandbox.facades.postgrest.sql import array_literal, ident


def test_a_select_tree_keeps_aliases_casts_paths_hints_and_joins() -> None:
    assert select("id, words:body::text,data->k->>0,...orgs!fk!inner(*),who:people!author(email)") == (
        SelectField(Field("id")),
        SelectField(Field("body"), "words", "text"),
        SelectField(Field("data", (("->", "k"), ("->>", "0")))),
        SelectEmbed("orgs", (SelectField(Field("*")),), None, "fk", True, True),
        SelectEmbed("people", (SelectField(Field("email")),), "who", "author"),
    )


def test_a_filter_keeps_dots_commas_and_quotes_of_its_value() -> None:
    assert filter_value(Field("a"), 'eq.x.y,"z"').values == ('x.y,"z"',)
    assert filter_value(Field("a"), 'not.in.("a,b","c\\"d",e)') == Filter(Field("a"), "in", ("a,b", 'c"d', "e"), True)
    assert filter_value(Field("a"), "plfts(english).the fat cat").language == "english"
    assert filter_value(Field("a"), "like(any).{a*,b*}").quantifier == "any"


def test_a_logic_tree_nests_and_negates() -> None:
    tree = logic("or", False, "(a.eq.1,not.and(b.is.null,c.in.(1,2)))")
    assert isinstance(tree.children[1], Logic)
    assert tree.children[1].negated
    assert [c.operator for c in tree.children[1].children if isinstance(c, Filter)] == ["is", "in"]


def test_an_order_term_names_its_direction_its_nulls_and_its_embed() -> None:
    first, second = order("a->>b.desc.nullslast,orgs(name).asc")
    assert (first.direction, first.nulls, first.embed) == ("desc", "nullslast", None)
    assert (second.embed, second.field.name, second.direction) == ("orgs", "name", "asc")


@pytest.mark.parametrize(
    ("query", "column"),
    [({"id": "is.maybe"}, 4), ({"order": "id.sideways"}, 4), ({"or": "(a.eq.1,b.eq.2"}, 17), ({"id": "1"}, 1)],
)
def test_what_does_not_follow_the_grammar_is_pgrst100_with_its_place(query: dict[str, str], column: int) -> None:
    with pytest.raises(RestError) as refused:
        parse(list(query.items()))
    assert (refused.value.status, refused.value.code) == (400, "PGRST100")
    assert refused.value.message.endswith(f"(line 1, column {column})")


@given(st.text(max_size=60))
def test_any_text_is_either_understood_or_refused(text: str) -> None:
    for rule in (select, order, lambda t: filter_value(Field("a"), t), lambda t: logic("and", False, t)):
        with contextlib.suppress(GrammarError):
            rule(text)


@given(st.text(min_size=1, max_size=20))
def test_a_name_cannot_leave_its_quotes(name: str) -> None:
    quoted = ident(name)
    assert (quoted[0], quoted[-1]) == ('"', '"')
    assert quoted[1:-1].replace('""', "").count('"') == 0


def test_an_array_literal_quotes_every_element() -> None:
    assert array_literal(("a,b", 'c"d', "e\\f")) == '{"a,b","c\\"d","e\\\\f"}'
