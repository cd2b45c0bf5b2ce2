"""Which variables a part of NexusCore cannot do without on its platform, by name; what may stand in another's place."""

from collections.abc import Iterable

SUPABASE_URL = ("NEXT_PUBLIC_SUPABASE_URL", "SUPABASE_URL")
SUPABASE_ANON = ("NEXT_PUBLIC_SUPABASE_ANON_KEY", "SUPABASE_ANON_KEY")
PROVIDER_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "together": "TOGETHER_API_KEY"}

NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "web": (
        SUPABASE_URL[:1],
        SUPABASE_ANON[:1],
        ("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY",),
    ),  # browsers see NEXT_PUBLIC_ only
    "api": (
        SUPABASE_URL,
        SUPABASE_ANON,
        ("SUPABASE_SERVICE_ROLE_KEY",),
        ("STRIPE_SECRET_KEY",),
        ("STRIPE_WEBHOOK_SECRET",),
    ),
    "gateway": (SUPABASE_URL, ("SUPABASE_SERVICE_ROLE_KEY",)),  # for retrieval (RAG), beside the keys of its chain
}


def missing(part: str, names: Iterable[str], providers: Iterable[str] = ()) -> list[tuple[str, ...]]:
    """What a part needs and has not: for each, the names of which any one would do.

    Args:
        names: the variables that are set.
        providers: those of the gateway's chain, each of which needs its key; none known: any one provider's key will do.
    """
    held = set(names)
    wanted = list(NEEDED.get(part, ()))
    if part == "gateway":
        keys = [PROVIDER_KEYS[each] for each in dict.fromkeys(providers) if each in PROVIDER_KEYS]
        wanted += [(key,) for key in keys] or [tuple(PROVIDER_KEYS.values())]
    return [any_of for any_of in wanted if not held & set(any_of)]
