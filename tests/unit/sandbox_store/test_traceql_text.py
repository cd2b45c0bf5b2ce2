"""TraceQL as text: what is read, what is refused and in which words, and that a string never becomes syntax."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runbook_lib.sandbox.store.model import Resource, Scope, Span, Trace
from runbook_lib.sandbox.store.traceql import TraceqlError, parse, runner
from runbook_lib.sandbox.store.traceql.lexer import tokens
from runbook_lib.sandbox.store.traceql.regex import compile_regex
from runbook_lib.sandbox.store.traceql.tree import Attribute, Binary, Literal

HOSTILE = [
    '"',
    "\\",
    '\\"',
    "}",
    '" } || { true',
    "{ }",
    "a\nb",
    "a\r\nb",
    "`",
    "\0",
    "é☃😀",
    "// c",
    "/* c",
    "$(x)",
    "'",
]


def quoted(text: str) -> str:
    """The text as a TraceQL literal, by Go's rules."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


def hostile(test):
    for text in HOSTILE:
        test = example(text)(test)
    return test


@hostile
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_quoted_text_is_read_back_exactly(text):
    only, end = tokens(quoted(text))
    assert (only.kind, only.value, end.kind) == ("string", text, "end")


@hostile
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_quoted_text_selects_only_the_span_that_holds_it(text):
    def span(value):
        return Span(b"t" * 16, b"s" * 8, b"", "n", 1, 0, 1, {"id": value}, Resource(), Scope())

    wanted, other = span(text), span(text + "x")
    trace = Trace(b"t" * 16, (wanted, other))
    found = runner(parse(f"{{ span.id = {quoted(text)} }}").pipeline)(trace)
    assert [s for one in found for s in one.spans] == [wanted]


@given(st.text(st.characters(exclude_characters="`\r", exclude_categories=["Cs"])))
def test_between_backquotes_a_text_stands_as_it_is(text):
    assert tokens(f"`{text}`")[0].value == text


@hostile
@given(st.text())
def test_any_text_is_a_query_or_refused(text):
    with suppress(TraceqlError):
        parse(text)
    with suppress(TraceqlError):
        parse("{ " + text + " }")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_pattern_compiles_or_is_refused(pattern):
    with suppress(TraceqlError):
        compile_regex(pattern)


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"\x41\101é\U0001F600"', "AAé😀"),
        (r'"\a\b\f\v"', "\a\b\f\v"),
        (r'"\xc3\xa9"', "é"),
        ("`a\\nb`", "a\\nb"),
        ("`a\r\nb`", "a\nb"),
    ],
)
def test_gos_escapes_are_understood(literal, text):
    assert tokens(literal)[0].value == text


@pytest.mark.parametrize("literal", ['"a', "`a", '"a\nb"', r'"\q"', r'"\x4"', r'"\ud800"', r'"\400"', '"\\', r'"\'"'])
def test_a_broken_literal_is_refused(literal):
    with pytest.raises(TraceqlError, match="parse error at line 1, col"):
        tokens(literal)


@pytest.mark.parametrize(
    ("text", "scope", "key"),
    [
        ("span.http.status_code", "span", "http.status_code"),
        (".a-b/c:d+e", "", "a-b/c:d+e"),
        ('span."a b"', "span", "a b"),
        ('resource.x."y = { }".z', "resource", "x.y = { }.z"),
        (r'event."q\"b\\"', "event", 'q"b\\'),
        ('span."span.type"', "span", "span.type"),
        ("instrumentation.lib", "instrumentation", "lib"),
        ("link.opentracing.ref_type", "link", "opentracing.ref_type"),
    ],
)
def test_attributes_are_read_to_their_end(text, scope, key):
    found = tokens(f"{text} = 1")[0].value
    assert found == Attribute(scope, key)


@pytest.mark.parametrize("text", ["span.", ".", "resource. a", 'span."a', r'span."\n"', "span.span.type", "parent.a"])
def test_a_broken_attribute_is_refused(text):
    with pytest.raises(TraceqlError):
        parse(f"{{ {text} = 1 }}")


def test_comments_are_skipped_but_not_inside_strings():
    query = parse('{ // all of them\n span.a /* or */ = "/* no */ // no" }')
    expression = query.pipeline.stages[0].expression
    assert expression == Binary("=", Attribute("span", "a"), Literal("string", "/* no */ // no"))


@pytest.mark.parametrize(
    ("literal", "kind", "value"),
    [
        ("200", "int", 200),
        ("-1", "int", -1),
        ("1.5", "float", 1.5),
        (".95", "float", 0.95),
        ("1e3", "float", 1000.0),
        ("100ms", "duration", 10**8),
        ("1h30m", "duration", 5400 * 10**9),
        ("1.5s", "duration", 1_500_000_000),
        ("1d", "duration", 86400 * 10**9),
        ("maxInt", "int", (1 << 63) - 1),
    ],
)
def test_numbers_and_durations_are_told_apart(literal, kind, value):
    right = parse(f"{{ .a = {literal} }}").pipeline.stages[0].expression.right
    assert right == Literal(kind, value)


@pytest.mark.parametrize(
    ("query", "same_as"),
    [
        ("{ .a || .b && .c }", "{ (.a || .b) && .c }"),
        ("{ .a && .b || .c }", "{ (.a && .b) || .c }"),
        ("{ .a = 1 + 2 * 3 }", "{ .a = (1 + (2 * 3)) }"),
        ("{ .a = 2 * 3 ^ 2 }", "{ .a = (2 * (3 ^ 2)) }"),
        ("{ .a = 2 ^ 3 * 2 }", "{ .a = ((2 ^ 3) * 2) }"),
        ("{ .a = 2 ^ 3 ^ 2 }", "{ .a = (2 ^ (3 ^ 2)) }"),
        ("{ .a = 5 - 2 - 1 }", "{ .a = ((5 - 2) - 1) }"),
        ("{ !.a && .b }", "{ (!.a) && .b }"),
        ("{.a} || {.b} && {.c}", "({.a} || {.b}) && {.c}"),
        ("{.a} > {.b} && {.c}", "({.a} > {.b}) && {.c}"),
        ("{.a} && {.b} >> {.c}", "{.a} && ({.b} >> {.c})"),
        ("(({.a}))", "{.a}"),
        ("{}", "{ true }"),
    ],
)
def test_operators_bind_as_in_tempos_grammar(query, same_as):
    assert parse(query) == parse(same_as)


@pytest.mark.parametrize(
    "query",
    [
        "", "true", "[ true ]", "( true )", "{ . }", "{ < }", "{ .a < }", "{ .a < 3", "{ (.a < 3 }", "{ attribute = 4 }",
        "{ .attribute == 4 }", "{ true } + { true }", "{ true } = { true }", "{ true } <= { true }", "avg(.field) + 1",
        "select(.a", "select()", "{ true } | select(1)", "coalesce() | { true }", "count() > 3 && { true }",
        "{ true } | count()", "{ true } | notAnAggregate() = 1", "{ true } | count = 1", "{ true } | max() = 1",
        "{ true } | by()", "{ trace:status = error }", "{ span:rootName = `bar` }", "{ trace:rootServiceName = `a` }",
        "{ } | rate() | { }", "{ } | rate(duration)", "{ } | quantile_over_time(duration)", "{ } | topk(3)",
        "{ 99999999999999999999 = .a }", "{ # }",
    ],
)  # fmt: skip
def test_what_tempos_grammar_refuses_is_refused(query):
    with pytest.raises(TraceqlError):
        parse(query)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("{ status }", "must resolve to a boolean"),
        ("{ 1 + 1 }", "must resolve to a boolean"),
        ("{ `foo` }", "must resolve to a boolean"),
        ("{ 1 = `foo` }", "same type"),
        ("{ 1 != true }", "same type"),
        ("{ duration > `1s` }", "same type"),
        ("{ rootServiceName = 1 }", "same type"),
        ("{ status > ok }", "illegal operation"),
        ("{ true || 1.1 }", "same type"),
        ("{ 1 =~ 2 }", "illegal operation"),
        ("{ .a =~ .b }", "illegal operation"),
        ("{ -true }", "illegal operation"),
        ("{ !1 = 1 }", "illegal operation"),
        ("{ .a =~ `[` }", "error parsing regexp"),
        ("{ .a =~ `(?=a)` }", "error parsing regexp"),
        ("{ true } | by(1)", "must reference the span"),
        ("sum(3) = 2", "must reference the span"),
        ("max(name) = 1", "number type"),
        ("{ true } | max(duration) < `x`", "same type"),
        ("{ } | avg_over_time(name)", "needs a number"),
        ("{ parent.a = 1 }", "not yet supported"),
        ("count() > count()", "not yet supported"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(query, why):
    with pytest.raises(TraceqlError, match=why):
        parse(query)


def test_an_error_tells_line_and_column():
    with pytest.raises(TraceqlError, match="line 2, col 7: syntax error: unexpected nope"):
        parse("{ .a = 1\n   && nope }")


def test_deep_nesting_is_refused_not_crashed_on():
    with pytest.raises(TraceqlError, match="nested too deeply"):
        parse("{ " + "(" * 5000 + ".a" + ")" * 5000 + " }")
    with pytest.raises(TraceqlError, match="nested too deeply"):
        parse("(" * 5000 + "{}" + ")" * 5000)
    with pytest.raises(TraceqlError, match="nested too deeply"):
        parse("{ " + "!" * 5000 + ".a }")


@pytest.mark.parametrize("chain", [" + 1", " ^ 1", " = 1"])
def test_a_long_chain_of_arithmetic_is_refused_not_crashed_on(chain):
    with pytest.raises(TraceqlError, match="nested too deeply"):
        parse("{ .a" + chain * 3000 + " }")
    with pytest.raises(TraceqlError, match="nested too deeply"):
        parse("{}" + " || {}" * 3000)


def test_thousands_of_alternatives_are_one_query(selects, make):
    wanted, other = make.span("wanted", attributes={"id": "7"}), make.span("other", attributes={"id": "x"})
    alternatives = " || ".join(f'span.id = "{n}"' for n in range(5000))
    assert selects(f"{{ {alternatives} }}", [wanted, other]) == ["wanted"]


def test_a_value_of_ten_thousand_characters_is_read():
    text = 'x"}{\\' * 2000
    assert tokens(quoted(text))[0].value == text


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?!a)", "(?<=a)b", r"(a)\1", "a*+", "(?P=n)", "(?>a)", "(?#x)", "[", "a**"]
)
def test_what_re2_refuses_is_refused(pattern):
    with pytest.raises(TraceqlError, match="error parsing regexp"):
        compile_regex(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\Qa.b\E+", "a.bbb"), ("[[:alpha:]]+", "abc"), (r"a\z", "a"), ("(?i)ABC", "abc"), ("(?P<n>x)y", "xy"),
        ("(?<n>x)y", "xy"), ("[*+]+", "*+"), ("[]a]+", "a]"), ("a*?b", "aab"), (r"\.\*\ \-\"", '.* -"'), ("(?s:.*)", "a\nb"),
    ],
)  # fmt: skip
def test_what_re2_reads_means_the_same(pattern, text):
    assert compile_regex(pattern).fullmatch(text)
