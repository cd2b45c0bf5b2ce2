"""What keeps values of variables inside a look: confidential answers, salted fingerprints, settings that know every place."""

from datetime import UTC, datetime

import pytest

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.redact import Redactor
from runbook_lib.io.http import Deadline, Reply
from runbook_lib.io.observe import Door, Look, Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.kit.asking import require_setting

SECRET = "5f0c2a9b7d1e5f0c2a9b7d1e-canary"


@pytest.mark.parametrize("body", [f'{{"K":"{SECRET}"', f'{{"error":{{"message":"bad key {SECRET}"}}}}'])
def test_nothing_of_a_confidential_answer_is_quoted(body: str) -> None:
    reply = Reply(403, {}, body.encode(), "GET vendor.test/env", 1.0)
    assert SECRET in reply.complaint()
    sealed = reply.in_confidence()
    assert SECRET not in sealed.complaint() + sealed.malformed("why").tried
    with pytest.raises(LookError) as refused:
        sealed.parsed(lambda document: {}[document["error"]["message"]])
    assert SECRET not in str(refused.value)


def test_a_fingerprint_tells_equal_values_within_a_run_and_nothing_between_runs() -> None:
    def fetch(door: Door) -> Answer:
        return Answer(Status.ok, [door.fingerprint(value) for value in (SECRET, SECRET, "another")])

    def one_run() -> list[str]:
        observer = Observer(active=True, now=datetime.now(UTC), settings=Settings.empty())
        first, second = (observer.together(Look("x", name, {}, fetch))[0].value for name in ("one", "two"))
        assert first == second
        return list(first)

    same, also, other = one_run()
    assert same == also != other
    assert one_run()[0] != same


def test_a_secret_that_another_variable_overrides_is_redacted_all_the_same() -> None:
    settings = Settings.from_mapping({"RUNBOOK_STRIPE_KEY": "rk_test_one_value_1", "STRIPE_SECRET_KEY": SECRET})
    assert Redactor(settings.secret_values()).text(f"x {SECRET} x") == "x <redacted> x"


def test_an_address_of_nexuscores_that_is_none_is_told_by_every_look_that_needs_it() -> None:
    settings = Settings.from_mapping({"SUPABASE_URL": "abc.supabase.co", "RUNBOOK_WEB_URL": "http://web.test"})
    with pytest.raises(LookError) as refused:
        require_setting(Door(settings, Deadline(1)), "supabase_url")
    assert (refused.value.status, refused.value.tried) == (
        Status.not_configured, "SUPABASE_URL is set, and is not an http(s) address",
    )  # fmt: skip
    assert "SUPABASE_URL" in refused.value.do_next
