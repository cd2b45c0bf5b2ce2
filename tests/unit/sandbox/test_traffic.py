"""The background traffic leaves a healthy system healthy, however long it goes on."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runbook_lib.sandbox.seed import make_population
from runbook_lib.sandbox.traffic import Traffic


@pytest.mark.parametrize("seed", [1, 2, 77])
def test_nobody_on_a_free_plan_chats_in_the_background(seed: int) -> None:
    population = make_population(seed, datetime.now(UTC))
    traffic = Traffic(cast(Any, SimpleNamespace(seed=seed, population=population)))
    plans = {org.plan for person in traffic._spenders() if (org := population.organization_of(person))}
    assert plans == {"pro", "enterprise"}
    assert "free" in {org.plan for org in population.organizations}
