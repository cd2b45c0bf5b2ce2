"""TraceQL as text: what is read, what is refused and in which words, and that a string never becomes syntax."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runbook_lib.sandbox.store.model import Resource, Scope, Span, Trace
from runbook_lib.sandbox.store.traceql import TraceqlError, parse, runner
from runbook_lib.sandbox.store.traceql.lexer import tokens
from runbook_lib.sandbox.store.traceql.regex import compile_regex
from runbook_lib.sandbox.store.traceql.tree import Attribute, Comparison, Literal, Logic

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
    assert runner(parse(f"{{ span.id = {quoted(text)} }}"))(trace) == [wanted]


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
        (r'"\u0041\u00e9\U0001F600"', "Aé😀"),
        (r'"\a\b\f\v\n\"\\"', '\a\b\f\v\n"\\'),
    ],
)
def test_gos_escapes_are_understood(literal, text):
    assert tokens(literal)[0].value == text


@pytest.mark.parametrize("literal", ['"a', "`a`", '"a\nb"', r'"\q"', r'"\x41"', r'"\ud800"', r'"\101"', '"\\', r'"\'"'])
def test_a_broken_literal_is_refused(literal):
    with pytest.raises(TraceqlError, match="parse error at line 1, col"):
        tokens(literal)


@pytest.mark.parametrize(
    ("text", "scope", "key"),
    [
        ("span.http.status_code", "span", "http.status_code"),
        ("resource.a-b/c:d+e", "resource", "a-b/c:d+e"),
    ],
)
def test_attributes_are_read_to_their_end(text, scope, key):
    found = tokens(f"{text} = 1")[0].value
    assert found == Attribute(scope, key)


@pytest.mark.parametrize("text", ["span.", ".", "resource. a", 'span."a"', "span.span.type", "parent.a"])
def test_a_broken_attribute_is_refused(text):
    with pytest.raises(TraceqlError):
        parse(f"{{ {text} = 1 }}")


@pytest.mark.parametrize(
    ("literal", "kind", "value"),
    [
        ("200", "int", 200),
        ("1.5", "float", 1.5),
        (".95", "float", 0.95),
        ("1e3", "float", 1000.0),
        ("100ms", "duration", 10**8),
        ("1h30m", "duration", 5400 * 10**9),
        ("1.5s", "duration", 1_500_000_000),
        ("1d", "duration", 86400 * 10**9),
    ],
)
def test_numbers_and_durations_are_told_apart(literal, kind, value):
    assert parse(f"{{ span.a = {literal} }}").first.condition.literal == Literal(kind, value)


def test_and_and_or_bind_alike_from_left_to_right():
    assert parse("{ span.a = 1 || span.b = 2 && span.c = 3 }").first.condition == Logic(
        Comparison(Attribute("span", "a"), "=", Literal("int", 1)),
        (
            ("||", Comparison(Attribute("span", "b"), "=", Literal("int", 2))),
            ("&&", Comparison(Attribute("span", "c"), "=", Literal("int", 3))),
        ),
    )


@pytest.mark.parametrize(
    "query",
    [
        "", "true", "[ true ]", "{ . }", "{ < }", "{ span.a < }", "{ span.a < 3", "{ (span.a < 3 }", "{ attribute = 4 }",
        "{ span.a == 4 }", "{ } + { }", "{ } = { }", "select(span.a", "{ } | select()", "{ } | select(1)", "{ } |",
        "{ } | count_over_time", "{ } | count_over_time(duration)", "{ } | histogram_over_time()", "{ } |  by (kind)",
        "{ } | count_over_time() by ()", "{ 99999999999999999999 = span.a }", "{ # }", "{ } && ", "{ } { }",
    ],
)  # fmt: skip
def test_what_tempos_grammar_refuses_is_refused(query):
    with pytest.raises(TraceqlError):
        parse(query)


@pytest.mark.parametrize(
    "query",
    [
        "{ } >> { }", "{ } > { }", "{ } << { }", "{ } ~ { }", "{ } !> { }", "{ } &>> { }", "({ })", "{ } | { }",
        "{ } | count() > 2", "{ } | avg(duration) > 1s", "{ } | by(kind)", "{ } | coalesce()", "{ } with (most_recent=true)",
        "{ } | rate()", "{ } | quantile_over_time(duration, .9)", "{ } | max_over_time(duration)",
        "{ } | select(kind) | select(name)",
        "{ } | histogram_over_time(span.size)", "{ } | count_over_time() > 1", "{ } | count_over_time() | topk(1)",
        "{ span.a + 1 = 2 }", "{ span.a = 2 ^ 2 }", "{ span.a = -1 }", "{ !(span.a = 1) }", "{ span.a }", "{ true }",
        "{ 1 = span.a }",
        "{ span.a = span.b }", "{ .a = 1 }", '{ event.a = "x" }', '{ event:name = "x" }', '{ link.a = "x" }',
        "{ instrumentation.a = 1 }", "{ parent.a = 1 }", "{ span:status = error }", "{ nestedSetParent = 0 }",
        '{ rootServiceName = "x" }', "{ traceDuration > 1s }", "{ name = `x` }", '{ span."a b" = 1 }', "{ } // all of them",
    ],
)  # fmt: skip
def test_what_only_tempo_reads_is_refused_and_says_so(query):
    with pytest.raises(TraceqlError, match="the sandbox's Tempo does not read this"):
        parse(query)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ('{ duration > "1s" }', "same type"),
        ("{ rootName = 1 }", "same type"),
        ("{ status > ok }", "illegal operation"),
        ("{ span.a < nil }", "illegal operation"),
        ("{ span.a > true }", "illegal operation"),
        ("{ span.a =~ 2 }", "illegal operation"),
        ('{ status =~ "e.*" }', "same type"),
        ('{ span.a =~ "[" }', "error parsing regexp"),
        ('{ span.a =~ "(?=a)" }', "error parsing regexp"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(query, why):
    with pytest.raises(TraceqlError, match=why):
        parse(query)


def test_an_error_tells_line_and_column():
    with pytest.raises(TraceqlError, match="line 2, col 7: syntax error: unexpected nope"):
        parse("{ span.a = 1\n   && nope }")


def test_deep_nesting_is_refused_not_crashed_on():
    with pytest.raises(TraceqlError, match="nested too deeply"):
        parse("{ " + "(" * 5000 + "span.a = 1" + ")" * 5000 + " }")


@pytest.mark.slow
def test_thousands_of_alternatives_are_one_query(selects, make):
    wanted, other = make.span("wanted", attributes={"id": "7"}), make.span("other", attributes={"id": "x"})
    alternatives = " || ".join(f'span.id = "{n}"' for n in range(5000))
    assert selects(f"{{ {alternatives} }}", [wanted, other]) == ["wanted"]
    filters = " || ".join(f'{{ span.id = "{n}" }}' for n in range(1000))
    assert selects(filters, [wanted, other]) == ["wanted"]


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
