"""What a fault needs of its sandbox stands in the fault, and is what its drills give it."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.case_list import CASES
from runbook_lib.sandbox.options import Options

# Options that drills choose so that one case leaves nothing behind for the next, or so that figures are exact, not because
# the fault would be another one without: each tried by hand on a plain sandbox.
_FOR_CALM = {
    "traffic": "a verdict must not turn on who else happens to be served",
    "trace_backend": "what 00's faults leave in the store stays there: they have a sandbox of their own",
}
# Asked about an event or a time, and true of any sandbox; the drills happen to ask on a developer's machine.
_TRUE_ANYWHERE = {"webhook.event_not_found", "webhook.no_events"}
# Settings of patience, and, by what codes begin with, those that only spare a drill something: each fault of these was tried
# with a sandbox's own settings.
_PATIENCE = {
    "RUNBOOK_LOOK_DEADLINE_S",
    "RUNBOOK_TRACE_DELAY_S",
    "RUNBOOK_LOG_DELAY_S",
    "RUNBOOK_WEBHOOK_DELAY_S",
}

_SPARED = {
    ("RUNBOOK_DOCKER_FOLDER", "DOCKER_HOST"): (
        "image.",
        "machine.",
        "region.",
        "deploy.",
    ),  # an image that nobody doubts
    ("RUNBOOK_MIGRATIONS", "RUNBOOK_NOT_USED"): ("backup.", "pitr.", "restore.", "schema."),  # comparing the schema
    ("RUNBOOK_SERVICE_LEVELS", "RUNBOOK_TRACE_RETENTION_H"): ("slo.", "alert."),  # three weeks of the month
}


def _drilled() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """By code and variant: the options of every case in which it is on."""
    found = defaultdict(list)
    for case in CASES:
        for each in case.faults:
            usual = next(iter(faults.find(each.code).variants))
            found[each.code, each.variant or usual].append(dict(case.options))
    return found


def _sandbox(**options: Any) -> Any:
    return SimpleNamespace(name="brk", options={**Options().as_dict(), **options})


def test_every_drill_runs_in_a_sandbox_that_can_carry_its_faults() -> None:
    wrong = {
        case.id: unmet
        for case in CASES
        for each in case.faults
        if (unmet := faults.find(each.code).variant(each.variant).unmet_needs({**Options().as_dict(), **case.options}))
    }
    assert wrong == {}


def test_a_fault_that_is_never_drilled_in_a_plain_sandbox_says_what_it_needs() -> None:
    silent = [
        f"{code}/{variant}"
        for (code, variant), all_options in _drilled().items()
        if code not in _TRUE_ANYWHERE
        and not any(set(options) <= set(_FOR_CALM) for options in all_options)
        and not faults.find(code).variants[variant].needs
    ]
    assert silent == []


def test_what_the_runbook_must_be_told_is_what_the_drills_tell_it() -> None:
    for case in CASES:
        for each in case.faults if case.kind == "fault" else ():
            told = faults.find(each.code).variant(each.variant).settings
            assert told.items() <= case.settings.items(), case.id


def test_what_the_drills_tell_the_runbook_for_a_fault_stands_in_the_fault() -> None:
    wrong = {}
    for case in CASES:
        for each in case.faults if case.kind == "fault" else ():
            told = set(faults.find(each.code).variant(each.variant).settings)
            spared = {name for names, codes in _SPARED.items() if each.code.startswith(codes) for name in names}
            if more := set(case.settings) - told - spared - _PATIENCE:
                wrong[case.id] = more
    assert wrong == {}


def test_without_a_variant_the_first_one_that_fits_is_meant() -> None:
    mismatch = faults.find("webhook.secret_mismatch")
    assert mismatch.fitting_variant(_sandbox(webhooks="cli")) == "usual"
    assert mismatch.fitting_variant(_sandbox()) == "endpoint"
    assert faults.find("machine.out_of_memory").fitting_variant(_sandbox()) == "railway"
    assert faults.find("machine.out_of_memory").fitting_variant(_sandbox(gateway_platform="fly")) == "usual"


@pytest.mark.parametrize(
    ("code", "variant", "command"),
    [
        ("region.missing", "", "runbook sandbox up --name brk --gateway-platform fly"),
        ("webhook.cli_not_running", "", "runbook sandbox up --name brk --webhooks cli"),
        ("webhook.secret_mismatch", "api", "runbook sandbox up --name brk --webhooks cli"),
        ("deploy.not_ready.crashed", "", "runbook sandbox up --name brk --api-platform railway"),
    ],
)
def test_a_sandbox_that_cannot_carry_a_fault_is_left_as_it_is_and_told_what_can(
    code: str, variant: str, command: str
) -> None:
    with pytest.raises(UsageError) as refused:
        faults.find(code)(_sandbox(), variant)  # it has no inject: a step would fail otherwise
    assert refused.value.do_next.endswith(command)
    assert refused.value.came_back.startswith("it needs ")


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("request.db_faild", "request.db_failed"),
        ("request.db", "request.db_failed"),
        ("no_membership", "rls.no_membership"),
        ("webhook", "webhook.cli_not_running"),
    ],
)
def test_a_code_that_there_is_not_brings_those_that_are_like_it(wrong: str, meant: str) -> None:
    with pytest.raises(UsageError) as refused:
        faults.find(wrong)
    assert meant in refused.value.do_next
    assert "docs/causes.md" in refused.value.do_next


def test_a_code_that_is_like_none_brings_what_codes_begin_with() -> None:
    with pytest.raises(UsageError) as refused:
        faults.find("nosuch.code")
    assert "backup, " in refused.value.came_back
    assert "docs/causes.md" in refused.value.do_next
