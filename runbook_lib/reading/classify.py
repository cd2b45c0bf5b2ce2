"""From what a failed call says to the cause's code: providers, database, auth, Stripe, gateway. Works on spans and log lines alike.

Status alone decides nothing: 429 is a throttle or an empty purse, 400 may be a spending limit, 42501 is a policy or a grant.
Sources: the vendors' documented error shapes (OpenAI, Anthropic, Together, PostgREST, PostgreSQL appendix A), November 2026.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from runbook_lib.reading.spans import Fault

_TIMEOUT = re.compile(r"time[d_\- ]?\s?out|timeout|deadline exceeded|etimedout|aborted due to", re.I)
_REFUSED = re.compile(
    r"econnrefused|connection refused|errno 111|connecterror(?!.*(?:name|nodename|getaddrinfo))", re.I
)
_DNS = re.compile(
    r"enotfound|eai_again|getaddrinfo|name or service not known|nodename nor servname|name resolution", re.I
)
_RESET = re.compile(
    r"econnreset|connection reset|socket hang up|remoteprotocolerror|server disconnected|broken pipe", re.I
)
_NOT_IN_CACHE = re.compile(r"in the schema cache|invalid schema: |schema must be one of")
_CONSTRAINT = re.compile(r"violates (?:foreign key|unique|check|not-null|exclusion) constraint|duplicate key value")
_NOT_THERE = re.compile(r"(?:relation|column|function|type) \S+.* does not exist")
_FILTERED = re.compile(  # OpenAI's codes and Azure's words, Anthropic's words (its `refusal` is a stop reason of a 200: no failure)
    r"content_policy_violation|content_filter\b|content management policy|content filtering policy|responsibleaipolicyviolation|"
    r"flagged as potentially violating|rejected as a result of our safety system"
)
_BROKEN_SERVER = re.compile(r"server_error|api_error|internal server error|service unavailable|bad gateway", re.I)
_BAD_URL = re.compile(r"invalid url|failed to parse url|err_invalid_url|unsupportedprotocol|unknown scheme", re.I)


@dataclass(frozen=True)
class NamedCause:
    """A cause's code with the words that a finding's sentence is made of."""

    code: str
    what: str


def is_timeout(fault: Fault) -> bool:
    """Whether a call ended because somebody's patience did."""
    return bool(_TIMEOUT.search(fault.text))


def is_unreachable(fault: Fault) -> str:
    """refused, dns, wrong_url or reset, where the call never got an answer for that reason; else empty."""
    if _BAD_URL.search(fault.text):
        return "wrong_url"
    if _DNS.search(fault.text):
        return "dns"
    if _REFUSED.search(fault.text):
        return "refused"
    return "reset" if _RESET.search(fault.text) else ""


PROVIDER_FAILURES: Mapping[str, str] = {
    # how a provider fails, and 04's code for it; the words that 01's sub-codes are
    "content_filtered": "provider.content_filtered",
    "out_of_credit": "provider.out_of_credit",
    "stream_broken": "provider.stream_broken",
    "model_gone": "provider.model_gone",
    "key_invalid": "provider.key_invalid",
    "access_denied": "provider.access_denied",
    "overloaded": "provider.overloaded",
    "rate_limited": "provider.rate_limited",
    "timeout": "provider.down.no_answer",
    "request_rejected": "provider.request_rejected",
    "down": "provider.down",
}


def classify_provider(fault: Fault, *, in_stream: bool = False) -> NamedCause:
    """Why a model provider failed: `request.provider_failed.<sub>`; without a sub-code where nothing that it says is recognised."""
    sub, what = _of_provider(fault, in_stream)
    return NamedCause(f"request.provider_failed.{sub}" if sub else "request.provider_failed", what)


def _of_provider(fault: Fault, in_stream: bool) -> tuple[str, str]:
    text, status = fault.text.lower(), fault.http_status
    if re.search(r"insufficient_quota|exceeded your current quota|billing_error|credit balance|reached your specified|"
                 r"spending limit|out of credit|billing_hard_limit|credit_limit", text) or status == 402:  # fmt: skip
        return "out_of_credit", "refuses because the account is out of credit or at its spending limit"
    if _FILTERED.search(text):
        return "content_filtered", "refuses what was asked for its content policy"
    if in_stream:
        return "stream_broken", "began to answer, then sent an error inside the stream"
    if re.search(r"model_not_found|model not found|does not exist|not_found_error|model_not_available|decommissioned|"
                 r"deprecated model", text) or status == 404:  # fmt: skip
        return "model_gone", "does not offer the model"
    if status == 401 or re.search(r"invalid_api_key|authentication_error|incorrect api key|invalid x-api-key", text):
        return "key_invalid", "refuses the gateway's key"
    if status == 403 or "permission_error" in text:
        return "access_denied", "denies access to the gateway's key"
    if status == 529 or "overloaded" in text:
        return "overloaded", "is overloaded"
    if status == 429 or re.search(r"rate_limit|rate limit|too many requests", text):
        return "rate_limited", "throttles the gateway"
    if status in (408, 504) or (status is None and is_timeout(fault)) or "timeout_error" in text:
        return "timeout", "did not answer in time"
    if status in (400, 413, 422):
        return "request_rejected", "rejects the gateway's payload"
    if _is_down(fault):
        return "down", "is down"
    return "", "failed, in words that are not recognised"


def _is_down(fault: Fault) -> bool:
    """Whether it says that there is no service: a 5xx, no connection, or a server's own error."""
    status = fault.http_status
    return (status is not None and status >= 500) or bool(is_unreachable(fault) or _BROKEN_SERVER.search(fault.text))


def classify_database(fault: Fault) -> NamedCause:
    """Why the database or PostgREST refused: `request.db_failed.<sub>`, or `request.auth_failed…` for a bad JWT."""
    code, text, status = _sqlstate(fault), fault.text.lower(), fault.http_status

    def named(sub: str, what: str) -> NamedCause:
        return NamedCause(f"request.db_failed.{sub}" if sub else "request.db_failed", what)

    if code in ("PGRST301", "PGRST302", "PGRST303") or "jwt expired" in text:
        return NamedCause("request.auth_failed.session_expired", "the session's token was refused by the database")
    if "row-level security" in text or "row level security" in text:
        return named("rls", "a row-level security policy refuses it")
    if code == "42501" or "permission denied for" in text:
        return named("grant", "the role lacks a grant")
    if code == "42P17" or "infinite recursion" in text:
        return named("rls", "a row-level security policy refers to itself")
    if code == "55P03" or "lock timeout" in text or code == "40P01" or "deadlock" in text:
        return named("lock", "it waited for a lock that another transaction holds")
    if code == "57014" or "statement timeout" in text:
        return named("statement_timeout", "it ran into the statement time-out")
    if code in ("53300", "PGRST003") or re.search(
        r"too many (?:clients|connections)|connection pool|remaining connection", text
    ):
        return named("pool", "no connection was left")
    if code == "25006" or "read-only transaction" in text:
        return named("read_only", "the database is read-only")
    if status == 540 or "paused" in text:
        return named("paused", "the project is paused")
    if code in ("PGRST000", "PGRST001", "PGRST002") or "could not query the database" in text:
        return named("down", "PostgREST cannot reach it")
    if code in ("PGRST202", "PGRST204", "PGRST205", "PGRST200", "PGRST106") or _NOT_IN_CACHE.search(text):
        return named("schema_cache", "PostgREST's schema cache does not know it")
    if code.startswith("23") or _CONSTRAINT.search(text):
        return named("constraint", "a constraint refuses the row")
    if code.startswith("42") or _NOT_THERE.search(text):
        return named("schema", "the schema is not what the code expects")
    if is_timeout(fault):
        return named("timeout", "it did not answer in time")
    if status in (500, 502, 503, 504, 520, 521, 522) or is_unreachable(fault) or code.startswith(("08", "57P")):
        return named("down", "it does not answer")
    return named("", "it failed")


def classify_auth(fault: Fault) -> NamedCause:
    """Why Supabase Auth failed: `request.auth_failed[.<sub>]`, or the database behind it where Auth says so."""
    if fault.http_status == 540 or "paused" in fault.text.lower():
        return NamedCause("request.db_failed.paused", "the project is paused")
    if re.search(r"database error|querying schema", fault.text, re.I):
        return NamedCause("request.db_failed.down", "Supabase Auth could not reach its database")
    if fault.http_status in (400, 401, 403) or re.search(r"session|jwt|expired|token", fault.text, re.I):
        return NamedCause("request.auth_failed.session_expired", "the user's session is expired or unknown")
    if _is_down(fault) or is_timeout(fault):
        return NamedCause("request.auth_failed.down", "Supabase Auth does not answer")
    return NamedCause("request.auth_failed", "failed, in words that are not recognised")


def classify_stripe(fault: Fault) -> NamedCause:
    """Why a call to Stripe failed: `request.stripe_failed[.<sub>]`."""
    status, text = fault.http_status, fault.text.lower()
    if status == 401:
        return NamedCause("request.stripe_failed.key_invalid", "refuses the API's key")
    if status == 403 or "permission" in text:
        return NamedCause("request.stripe_failed.access_denied", "denies the API's key this call")
    if status == 429:
        return NamedCause("request.stripe_failed.rate_limited", "throttles the API")
    if is_timeout(fault):
        return NamedCause("request.stripe_failed.timeout", "did not answer in time")
    if (status is not None and 400 <= status < 500) or re.search(r"\bno such \w+:", text):
        return NamedCause("request.stripe_failed.request_rejected", "rejects the call")
    if _is_down(fault):
        return NamedCause("request.stripe_failed.down", "is down")
    return NamedCause("request.stripe_failed", "failed, in words that are not recognised")


def _sqlstate(fault: Fault) -> str:
    """The SQLSTATE or PGRST code, from its own field or from the text."""
    code = fault.code.strip().upper()
    if re.fullmatch(r"[0-9A-Z]{5}|PGRST\d{3}", code):
        return code
    for text in (fault.error_type, fault.message):
        if match := re.search(r"\b(PGRST\d{3}|(?:08|22|23|25|28|3[DF]|4[0-4]|5[3-8]|XX)[0-9A-Z]{3})\b", text):
            return match[1]
    return ""
