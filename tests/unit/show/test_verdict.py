"""A verdict reads the same way in a notebook and on a terminal: what is so, since when, what to do, what was not seen."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.show import verdict_card, verdict_text
from runbook_lib.show.verdict_text import LINES

Json = dict[str, Any]
Reader = Callable[[str], Any]
UNSEEN = {
    "source": "fly",
    "call": "logs",
    "status": "denied",
    "why": "403",
    "what_would_help": "a token with logs: read",
}


def test_the_first_line_says_it_all(verdict: Json) -> None:
    assert verdict_text(verdict).split("\n")[0] == "confirmed · request.provider_failed.overloaded · anthropic"


def test_the_text_holds_what_on_call_needs(verdict: Json) -> None:
    verdict["not_seen"] = [UNSEEN]
    text = " ".join(verdict_text(verdict).split())
    needed = [
        "sandbox",
        "INC-7",
        "01_failed_request",
        "Still going on",
        "08:44:31",
        "37 failed requests",
        "12 organizations",
    ]
    needed += [
        "gateway deployed",
        "Anthropic answered 529",
        "LLM_FALLBACK_CHAIN",
        "tempo.trace-6a6a511a",
        "fly.logs (denied)",
    ]
    needed += ["a token with logs: read", "1.24 s to the first evidence", "4.8 s to the verdict"]
    assert [part for part in needed if part not in text] == []


def test_the_card_holds_what_on_call_needs(verdict: Json, read_page: Reader) -> None:
    verdict["not_seen"] = [UNSEEN]
    verdict["also"] = [{**verdict["causes"][0], "code": "request.retry_storm"}]
    page = read_page(verdict_card(verdict).html)
    needed = [
        "sandbox",
        "confirmed",
        "Situation",
        "37 failed requests",
        "gateway deployed",
        "overloaded",
        "Do: Add together",
    ]
    needed += [
        "request.retry_storm",
        "⊘ denied",
        "a token with logs: read",
        "1.24 s",
        "4.8 s",
        "20261123T090500123-9f2c",
    ]
    assert [part for part in needed if part not in page.text] == []
    assert page.text.index("request.provider_failed") < page.text.index("Do: ") < page.text.index("Situation")
    assert page.text.index("Situation") < page.text.index("Evidence: "), (
        "in short, then the situation, then each cause whole"
    )
    links = [each["href"] for each in page.tagged("a")]
    assert links[:2] == ["https://fly.io/apps/gw", "#look-tempo.trace-6a6a511a"]


def test_the_target_stands_larger_than_all_else(verdict: Json, read_page: Reader) -> None:
    first = read_page(verdict_card(verdict).html).tagged("span")[0]
    assert "font-size:1.9em" in first["style"]
    assert "LIVE SYSTEM" not in verdict_card(verdict).html
    assert "LIVE SYSTEM" in verdict_card({**verdict, "target": "production"}).html


def test_a_change_links_to_its_console_where_an_address_is_given(verdict: Json, read_page: Reader) -> None:
    change = {"at": "2026-11-23T08:40:12Z", "what": "web deployed", "where": "vercel", "link": "https://vercel.com/x"}
    verdict["situation"]["changes"] = [change, {**change, "link": "javascript:alert(1)"}]
    page = read_page(verdict_card(verdict).html)
    assert [each["href"] for each in page.tagged("a")].count("https://vercel.com/x") == 1


def test_suspects_are_ranked_with_the_look_that_would_decide(verdict: Json, read_page: Reader) -> None:
    suspects = [
        {"code": f"request.{name}", "subject": "s", "why": "w", "deciding_look": f"look at {name}"}
        for name in ("db", "web")
    ]
    verdict |= {"status": "could_not_tell", "causes": [], "suspects": suspects}
    assert verdict_text(verdict).startswith("could_not_tell · request.db · s\n")
    text = read_page(verdict_card(verdict).html).text
    assert text.index("look at db") < text.index("look at web")
    assert "could not tell" in text
    assert "look at web" in verdict_text(verdict)


def test_the_look_that_would_decide_is_never_cut_off_in_the_terminal(verdict: Json) -> None:
    look = f"the same question with {'row_id=… ' * 30}or org=LAST"
    suspect = {"code": "rls.no_membership", "subject": "s", "why": "w " * 400, "deciding_look": look}
    verdict |= {"status": "could_not_tell", "causes": [], "suspects": [suspect] * 3}
    text = " ".join(verdict_text(verdict).split())
    assert text.count("→ the same question") == text.count("or org=LAST") >= 1
    uncoded = verdict_text({**verdict, "suspects": [{**suspect, "code": ""}]})
    assert "  suspect    s: w" in uncoded


def test_ruled_out_names_the_state_worth_knowing(verdict: Json) -> None:
    state = {
        "code": "request.rejected",
        "subject": "POST /v1/x",
        "summary": "A 422 by design.",
        "evidence": [],
        "remedy": None,
    }
    verdict |= {"status": "ruled_out", "causes": [], "states": [state]}
    assert verdict_text(verdict).startswith("ruled_out · request.rejected · POST /v1/x\n")
    assert "A 422 by design." in verdict_card(verdict).html
    assert verdict_text({**verdict, "states": []}).startswith("ruled_out · every cause")


@pytest.mark.parametrize(
    ("situation", "said"),
    [
        ({"ongoing": False, "onset": "2026-11-23T08:44:31Z"}, "Over, since 2026-11-23 08:44:31 UTC"),
        ({"ongoing": None, "onset": "2026-11-23T08:44:31Z"}, "whether it still goes on could not be told"),
        ({"ongoing": None, "onset": None, "requests_failed": None}, "could not be told"),
        ({"requests_failed": None, "ongoing": True}, "How many requests failed is not known"),
        ({"requests_failed": 1, "orgs_affected": 1}, "1 failed request, 1 organization affected"),
        ({"requests_failed": 0, "onset": None, "ongoing": False}, "No failed request in the window."),
    ],
)
def test_what_could_not_be_told_is_said_and_never_shown_as_zero(verdict: Json, situation: Json, said: str) -> None:
    empty = {
        "ongoing": None,
        "onset": None,
        "last_seen": None,
        "requests_failed": None,
        "orgs_affected": None,
        "changes": [],
    }
    verdict["situation"] = {**empty, **situation}
    assert said in " ".join(verdict_text(verdict).split())
    assert said in verdict_card(verdict).html


@pytest.mark.parametrize(
    ("status", "ongoing", "said"),
    [
        ("ruled_out", None, "Nothing of what was asked about goes on."),
        ("ruled_out", False, "Nothing of what was asked about goes on."),
        ("could_not_tell", False, "whether it goes on could not be told"),
        ("confirmed", True, "Still going on"),
    ],
)
def test_where_nothing_was_ever_wrong_it_is_not_called_over(
    verdict: Json, status: str, ongoing: bool | None, said: str
) -> None:
    verdict |= {"status": status, "situation": {"ongoing": ongoing, "changes": []}}
    assert said in " ".join(verdict_text(verdict).split())
    assert "Over" not in verdict_text(verdict)


def test_a_suspect_without_a_code_is_named_by_its_subject(verdict: Json) -> None:
    suspect = {"code": "", "subject": "dpl_nope", "why": "nobody knows it", "deciding_look": "another id"}
    verdict |= {"status": "could_not_tell", "causes": [], "blind": [], "suspects": [suspect]}
    assert verdict_text(verdict).startswith("could_not_tell · dpl_nope\n")


def test_unknown_changes_are_not_called_absent(verdict: Json) -> None:
    verdict["situation"]["changes"] = []
    assert "No change is known of" in verdict_text(verdict)


def test_nothing_unseen_is_not_claimed_while_looks_prove_nothing(verdict: Json) -> None:
    assert "Every look came back" in verdict_card(verdict).html
    verdict["looked_at"].append({"id": "x", "source": "fly", "call": "logs", "status": "denied", "elapsed_ms": 1})
    assert "Every look came back" not in verdict_card(verdict).html
    assert "1 proves nothing" in verdict_card(verdict).html


@pytest.mark.slow
@given(st.integers(0, 40), st.integers(0, 2000))
def test_a_terminal_never_gets_more_than_a_screen(count: int, length: int) -> None:
    finding = {
        "code": "a.b",
        "subject": "s" * length,
        "summary": "w " * length,
        "evidence": ["e"] * count,
        "remedy": "r " * length,
    }
    suspect = {"code": "a.b", "subject": "s", "why": "w " * length, "deciding_look": "d " * length}
    lists = dict.fromkeys(("causes", "also", "states", "blind"), [finding] * count)
    changes = [{"at": "x", "what": "w " * length, "where": "v"}] * count
    text = verdict_text(
        {
            **lists,
            "status": "confirmed",
            "suspects": [suspect] * count,
            "not_seen": [UNSEEN] * count,
            "situation": {"changes": changes},
        }
    )
    lines = text.split("\n")
    assert len(lines) <= LINES
    assert max(map(len, lines[1:])) <= 250
    assert lines[-1].strip().startswith("took")


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_vendor_text_stays_text_in_a_verdict(read_page: Reader, text: str) -> None:
    text = f"<script>{text}\x1b[31m"

    def everywhere(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: everywhere(each) for key, each in value.items()}
        return [everywhere(each) for each in value] if isinstance(value, list) else text

    finding = dict.fromkeys(("code", "subject", "summary", "remedy", "fingerprint"), "") | {"evidence": [""]}
    lists = {key: [finding] for key in ("causes", "also", "states", "blind")}
    shape = {
        **lists,
        **dict.fromkeys(("procedure", "incident", "run", "target", "status", "started_at", "verdict_sha256"), ""),
        "suspects": [dict.fromkeys(("code", "subject", "why", "deciding_look"), "")],
        "not_seen": [dict.fromkeys(UNSEEN, "")],
        "looked_at": [dict.fromkeys(("id", "source", "call", "status"), "")],
        "situation": {"onset": "", "last_seen": "", "changes": [dict.fromkeys(("at", "what", "where", "link"), "")]},
        "window": {"since": "", "until": ""},
        "first_evidence_s": "",
        "verdict_s": "",
    }
    given_verdict = everywhere(copy.deepcopy(shape))
    shown = verdict_card(given_verdict)
    assert read_page(shown.html).text.count("<script>") >= 30
    assert "\x1b" not in shown.plain + shown.html


def test_an_empty_verdict_can_be_shown(read_page: Reader) -> None:
    assert read_page(verdict_card({}).html).text
    assert verdict_text({})
