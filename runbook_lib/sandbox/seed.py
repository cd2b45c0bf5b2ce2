"""The people, organizations, plans and past usage that a sandbox starts with: the same ones for the same seed."""

import hashlib
import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runbook_lib.sandbox.facades.supabase_auth.users import hash_password
from runbook_lib.sandbox.postgres import Postgres

PASSWORD = "correct horse battery staple"
_MODELS = [
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4o"),
    ("anthropic", "claude-haiku-4-5-20251001"),
    ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
]


@dataclass(frozen=True)
class Person:
    """A user of NexusCore."""

    id: str
    email: str

    @property
    def name(self) -> str:
        """What stands before the @: no two of them have the same, and an error may show it where addresses are masked."""
        return self.email.partition("@")[0]


@dataclass(frozen=True)
class Organization:
    """An organization with its plan and its members: (person's place in the list, role)."""

    id: str
    name: str
    plan: str
    customer: str | None
    members: tuple[tuple[int, str], ...]
    period_end: datetime | None
    tokens_a_day: int


@dataclass(frozen=True)
class Population:
    """Everybody in one sandbox."""

    people: list[Person] = field(default_factory=list)
    organizations: list[Organization] = field(default_factory=list)

    def organization_of(self, person: Person) -> Organization | None:
        """The first organization that a person belongs to, or None."""
        place = self.people.index(person)
        return next((org for org in self.organizations if any(member == place for member, _ in org.members)), None)


_PEOPLE = ["ada", "grace", "alan", "edsger", "barbara", "donald", "margaret", "ken", "radia"]
_ORGANIZATIONS: list[tuple[str, str, str, tuple[tuple[int, str], ...], int]] = [
    ("Acme Rockets", "acme.example", "pro", ((0, "owner"), (1, "admin"), (2, "member")), 40_000),
    ("Globex", "globex.example", "enterprise", ((3, "owner"), (4, "member"), (0, "viewer")), 400_000),
    ("Initech", "initech.example", "free", ((5, "owner"), (6, "member")), 900),
    ("Umbrella Bakery", "umbrella.example", "pro", ((7, "owner"), (8, "member")), 25_000),
]


def make_population(seed: int, now: datetime) -> Population:
    """Nine people in four organizations; ids follow the seed, billing periods lie around `now`."""
    rng = random.Random(seed)
    domains = {place: domain for _, domain, _, members, _ in reversed(_ORGANIZATIONS) for place, _ in members}
    people = [Person(_uuid(rng), f"{name}@{domains[place]}") for place, name in enumerate(_PEOPLE)]
    organizations = []
    for name, _, plan, members, tokens in _ORGANIZATIONS:
        customer = None if plan == "free" else f"cus_{_letters(rng, 14)}"
        end = (now + timedelta(days=rng.randint(4, 24))).replace(hour=0, minute=0, second=0, microsecond=0)
        organizations.append(
            Organization(_uuid(rng), name, plan, customer, members, None if plan == "free" else end, tokens)
        )
    return Population(people, organizations)


async def plant(postgres: Postgres, population: Population, seed: int, now: datetime) -> None:
    """Write everybody into the database, as its superuser, in one transaction."""
    rng = random.Random(seed + 1)
    began = now - timedelta(days=180)
    people = population.people
    async with postgres.connect() as connection, connection.cursor() as cursor, connection.transaction():
        await cursor.executemany(
            "insert into auth.users (id, email, encrypted_password, email_confirmed_at, created_at) values (%s, %s, %s, %s, %s)",
            [(p.id, p.email, hash_password(PASSWORD), began, began) for p in people],
        )
        await cursor.executemany(
            "insert into public.profiles (id, email, created_at, updated_at) values (%s, %s, %s, %s) on conflict do nothing",
            [(p.id, p.email, began, began) for p in people],
        )
        for org in population.organizations:
            owner = people[org.members[0][0]]
            await cursor.execute(
                "insert into public.organizations (id, name, owner_id, created_at) values (%s, %s, %s, %s)",
                (org.id, org.name, owner.id, began),
            )
            await cursor.executemany(
                "insert into public.memberships (org_id, user_id, role, created_at) values (%s, %s, %s, %s) on conflict do nothing",
                [(org.id, people[place].id, role, began) for place, role in org.members],
            )
            await cursor.execute(
                "insert into public.billing_customers (org_id, stripe_customer_id, plan, status, current_period_end)"
                " values (%s, %s, %s, 'active', %s) on conflict (org_id) do nothing",
                (org.id, org.customer, org.plan, org.period_end),
            )
            await cursor.execute(
                "insert into public.api_keys (org_id, name, hashed_key, created_by, created_at) values (%s, 'server', %s, %s, %s)",
                (org.id, hashlib.sha256(org.id.encode()).hexdigest(), owner.id, began),
            )
            await cursor.executemany(
                "insert into public.usage_records (org_id, tokens, requests, provider, model, at) values (%s, %s, %s, %s, %s, %s)",
                _usage(rng, org, now),
            )
        first = population.organizations[0]
        await cursor.execute(
            "insert into public.invitations (org_id, email, role, invited_by, token, created_at)"
            " values (%s, %s, 'member', %s, %s, %s)",
            (
                first.id,
                "linus@acme.example",
                people[first.members[0][0]].id,
                _letters(rng, 32),
                now - timedelta(days=2),
            ),
        )


def _usage(rng: random.Random, org: Organization, now: datetime) -> list[tuple[object, ...]]:
    """Thirty days of usage, a few rows a day, more on working days; none in the last ten minutes."""
    rows: list[tuple[object, ...]] = []
    for day in range(30):
        for _ in range(4):
            at = now - timedelta(days=day, minutes=10 + rng.randint(0, 1200))
            share = rng.uniform(0.5, 1.5) * (0.3 if at.weekday() >= 5 else 1.0) / 4
            rows.append((org.id, max(1, int(org.tokens_a_day * share)), 1, *rng.choice(_MODELS), at))
    return rows


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _letters(rng: random.Random, count: int) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(rng.choice(alphabet) for _ in range(count))
