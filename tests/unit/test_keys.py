"""One table of keys: what is secret by kind is masked by shape, and every variable's kinds are known."""

import pytest

from runbook_lib.core.keys import KEY_KINDS, VARIABLES, is_secret_kind, kind_of
from runbook_lib.core.redact import Redactor

LETTERS = "AbCdEfGhJkLmNpQrStUvWxYz23456789AbCdEfGhJk"
WITHOUT_A_BEGINNING = {"supabase_jwt", "opaque"}
KEYS = {
    "stripe_secret": ("sk_live_", "sk_test_"),
    "stripe_restricted": ("rk_live_", "rk_test_"),
    "stripe_publishable": ("pk_live_", "pk_test_"),
    "stripe_organization": ("sk_org_",),
    "stripe_webhook_secret": ("whsec_",),
    "anthropic": ("sk-ant-api03-",),
    "openai": ("sk-proj-", "sk-"),
    "supabase_publishable": ("sb_publishable_",),
    "supabase_secret": ("sb_secret_",),
    "supabase_access_token": ("sbp_",),
    "together": ("tgp_v1_",),
    "fly": ("FlyV1 fm2_", "fm1r_", "fo1_"),
    "github": ("ghp_", "gho_"),
    "url": ("https://", "http://"),
    "database_url": ("postgres://oncall:hunter2@", "postgresql://oncall:hunter2@"),
}
SAMPLES = [(kind, beginning) for kind, beginnings in KEYS.items() for beginning in beginnings]


def test_every_kind_of_the_table_has_a_sample() -> None:
    assert [kind.name for kind in KEY_KINDS] == list(KEYS)


@pytest.mark.parametrize(("kind", "beginning"), SAMPLES)
def test_a_value_is_of_its_kind_and_is_masked_exactly_where_the_kind_is_secret(kind: str, beginning: str) -> None:
    value = beginning + LETTERS
    found = kind_of(value)
    assert found is not None
    assert found.name == kind
    assert Redactor().finds(f"told: {value} and more") == is_secret_kind(kind)


def test_what_a_variable_may_hold_is_in_the_table() -> None:
    kinds = {kind for variable in VARIABLES.values() for kind in variable.kinds}
    assert kinds <= {kind.name for kind in KEY_KINDS} | WITHOUT_A_BEGINNING
    assert kind_of("opaque" + LETTERS) is None
