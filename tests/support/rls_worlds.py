"""Worlds in which one user is refused, each for one reason: what the rules of 03 are held against."""

from support.rls_evidence import ACME, MEMBER, OTHER, ROW, World, judged, policy

from runbook_lib.core.model import Conclusion
from runbook_lib.procedures.supabase_rls.rules import one_user

FALSE = judged("read", False)
TRUE = judged("read", True)


def verdict(world: World) -> Conclusion:
    """The verdict on the user's access."""
    return one_user(world.evidence())


def out(world: World, org: str = "", invited: bool = False) -> World:
    """The user is in no organization, or in another one only."""
    assert world.person is not None
    world.person |= {
        "memberships": [{"org": org, "role": "member"}] if org else [],
        "invited": [ACME] if invited else [],
    }
    return world.deny(FALSE)


def statement(world: World, state: str, message: str) -> World:
    """Postgres refuses the command as the user."""
    world.seen |= {
        "statement": {"sqlstate": state, "message": message}, "visible": None, "hidden": None,
        "policies": [judged("read", None, sqlstate=state, message=message)],
    }  # fmt: skip
    return world


def by_roles(role: str) -> World:
    """A member with this role, where the policy asks for owner or admin."""
    world = World()
    assert world.person is not None
    world.person["memberships"] = [{"org": ACME, "role": role}]
    term = "exists (select 1 from public.memberships m where m.role = any (array['owner', 'admin']))"
    world.policies[0]["using"] = term
    return world.deny(judged("read", False, (term, False)))


def unpolicied(**changes: object) -> World:
    """No policy is left on the table."""
    world = World(**changes)
    world.policies = [each for each in world.policies if each["table"] != "usage_records"]
    return world.deny()


def absent(row_id: str = ROW) -> World:
    """No such row, seen past RLS."""
    world = World(row_id=row_id)
    world.seen |= {"past_rls": 0, "visible": 0, "hidden": 0, "judged": None, "row_org": None, "policies": []}
    world.past |= {"count": 0, "row_org": None}
    return world


def elsewhere() -> World:
    """One row of an organization that the user is not in, who is in another."""
    world = World(row_id=ROW, org="")
    world.seen["row_org"] = OTHER
    world.past["row_org"] = OTHER
    return world.deny(FALSE)


def stale() -> World:
    """A token whose claims are older than Auth's."""
    term = "((auth.jwt() -> 'app_metadata') ? org_id)"
    world = World()
    world.policies[0] |= {"using": term, "helpers": []}
    return world.deny(judged("read", False, (term, False), now=True)).with_token()


def restricted(result: bool = False) -> World:
    """A restrictive policy beside the one that allows."""
    world = World()
    world.policies.append(policy(name="hours", permissive=False, using="(tokens > 5)", helpers=[]))
    return world.deny(TRUE, judged("hours", result, ("(tokens > 5)", result), permissive=False))


def false_term() -> World:
    """One false term beside the membership's true one."""
    term = f"({MEMBER} AND (provider = 'mistral'))"
    return World().deny(judged("read", False, (MEMBER, True), ("(provider = 'mistral')", False), using=term))


def inserting(check: bool = True, reading: bool = False) -> World:
    """A row is written, and perhaps read back."""
    world = World(command="insert")
    world.policies.append(policy(name="write", command="insert", using=None, check=MEMBER))
    world.seen["judged"] = "a row that this user would write"
    world.seen["policies"] = [
        judged("write", check, command="insert", use="insert", clause="check"),
        judged("read", reading),
    ]
    return world
