"""Which keys 00 shows to their vendors: each once, to its own, and none that is none."""

from datetime import timedelta
from typing import Any

import pytest
from support.checklist import NOW, World, locally

from runbook_lib.core.clock import to_iso
from runbook_lib.procedures.operations_checklist.keys import keys_to_check
from runbook_lib.procedures.operations_checklist.reading import read


def shown(world: World) -> dict[str, tuple[str, ...]]:
    """Which keys would be shown to their vendors, each with the places that hold it."""
    evidence = world.evidence()
    return {
        f"{each.name} · {each.label}": each.places
        for each in keys_to_check(read(evidence.local, evidence.lists), evidence)
    }


def test_a_key_is_shown_once_to_its_own_vendor_however_many_places_hold_it() -> None:
    world = World()
    locally(world, "OPENAI_API_KEY", ".env")
    found = shown(world)
    assert found["OPENAI_API_KEY · gateway · production"] == ("gateway · production", "runbook · .env")
    assert found["NEXT_PUBLIC_SUPABASE_ANON_KEY · web · vercel production"][:2] == (
        "web · vercel production", "api · vercel production",
    )  # fmt: skip
    assert len([name for name in found if "STRIPE_SECRET" in name]) == 1


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "stripe_secret"}, {"kind": "opaque"}, {"flaws": ["placeholder"]}, {"flaws": ["cut_off"]}, {"flaws": ["quoted"]},
        {"kind": "nothing", "flaws": ["empty"]}, {"expires_at": to_iso(NOW - timedelta(days=1))},
    ],
)  # fmt: skip
def test_what_is_no_key_of_its_vendors_or_has_ended_is_shown_to_nobody(said: dict[str, Any]) -> None:
    assert "OPENAI_API_KEY · gateway · production" in shown(World())
    assert not [name for name in shown(World().say("gateway", "OPENAI_API_KEY", **said)) if name.startswith("OPENAI")]


def test_a_value_that_is_not_given_back_is_shown_to_nobody() -> None:
    world = World()
    world.find("gateway", "OPENAI_API_KEY").update(facts=None, hidden="sealed")
    assert not [name for name in shown(world) if name.startswith("OPENAI")]
