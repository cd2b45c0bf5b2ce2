"""People using NexusCore: steady background traffic, and single actions as somebody in a browser does them."""

import asyncio
import contextlib
import random
import time
from typing import Any

import httpx

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import plain_http
from runbook_lib.sandbox.facades.supabase import keys as supabase_keys
from runbook_lib.sandbox.seed import PASSWORD, Person
from runbook_lib.sandbox.system import System

ACTIONS: dict[str, tuple[str, str, int]] = {  # method, path, weight in the background traffic
    "chat": ("POST", "/chat", 50),
    "dashboard": ("GET", "/dashboard", 25),
    "usage": ("GET", "/usage", 10),
    "home": ("GET", "/", 12),
    "checkout": ("POST", "/checkout", 3),
}
SESSIONS = ("valid", "none", "expired", "forged")
_RENEW_BEFORE_S = 600
_AGENTS = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Safari/604.1",
]
_QUESTIONS = [
    "Summarise the review of last week for the team",
    "Which invoices are still open?",
    "Write a short note about the new plan",
    "What did we decide about the ledger?",
    "Draft an answer to the owner",
]

USUAL_RATE_PER_S = 1.0


class Traffic:
    """The sandbox's people. `rate_per_s` and `actions` may change while it runs."""

    def __init__(self, system: System, rate_per_s: float = USUAL_RATE_PER_S) -> None:
        self.system = system
        self.rate_per_s = rate_per_s
        self.actions: tuple[str, ...] = tuple(ACTIONS)
        self._random = random.Random(system.seed + 3)
        self._tokens: dict[str, tuple[str, float]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._http = plain_http.async_client(timeout=None, limits=httpx.Limits(max_keepalive_connections=8))

    async def sign_everybody_in(self) -> None:
        """Give every person a session, so that later trouble with Auth finds them signed in."""
        await asyncio.gather(*(self._token_of(person) for person in self.system.population.people))

    def start(self) -> None:
        """Begin the background traffic."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End it, and whatever is under way."""
        for task in [self._loop, *self._tasks]:
            if task is not None:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def visit(
        self,
        action: str = "chat",
        *,
        user: str | None = None,
        org: str | None = None,
        session: str = "valid",
        message: str | None = None,
        stream: bool = False,
        model: str | None = None,
        plan: str = "pro",
        headers: dict[str, str] | None = None,
        body: str | None = None,
        timeout_s: float = 60.0,
        leave_after_s: float | None = None,
    ) -> dict[str, Any]:
        """One action of one person, sent to the web edge.

        Args:
            action: chat, dashboard, usage, home or checkout.
            user: the person's e-mail address, or what stands before its @; None is the first who belongs to `org`, or of all.
            org: an organization's id or name; None lets the API take the person's first.
            session: valid, none, expired or forged; or a token.
            message, stream, model: of a chat. plan: of a checkout. body: the raw body instead.
            headers: more request headers.
            timeout_s: the person's patience. leave_after_s: the browser is closed after this long.

        Returns:
            status (None: no answer), headers (lower-case names), body (text), request_id (Vercel's, or None), error
            (what the browser says when there is no whole answer, or None), elapsed_s.

        Raises:
            UsageError: unknown action, person, organization or session.
        """
        if action not in ACTIONS:
            raise UsageError("The action is one of: " + ", ".join(ACTIONS), came_back=action)
        method, path, _ = ACTIONS[action]
        person, org_id = self._who(user, org)
        sent = {"user-agent": self._random.choice(_AGENTS), "accept": "*/*", **(headers or {})}
        token = await self._session(person, session)
        if token:
            sent["cookie"] = f"sb-{self.system.world.ids.supabase_ref}-auth-token={token}"
        asked: dict[str, Any] = {"org_id": org_id} if org_id else {}
        if action == "chat":
            asked |= {"message": self._random.choice(_QUESTIONS) if message is None else message, "stream": stream}
            if model:
                asked["model"] = model
        elif action == "checkout":
            asked["plan"] = plan
        request = self._http.build_request(
            method,
            f"{self.system.world.endpoints['web']}{path}",
            headers=sent,
            params=asked if method == "GET" else None,
            json=asked if method == "POST" and body is None else None,
            content=body.encode() if body is not None else None,
        )
        return await self._send(request, min(timeout_s, leave_after_s or timeout_s))

    async def _send(self, request: httpx.Request, patience_s: float) -> dict[str, Any]:
        started = time.monotonic()
        result: dict[str, Any] = {"status": None, "headers": {}, "body": "", "request_id": None, "error": None}
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(patience_s):
                answer = await self._http.send(request, stream=True)
                try:
                    result["status"] = answer.status_code
                    result["headers"] = {name.lower(): value for name, value in answer.headers.items()}
                    async for piece in answer.aiter_bytes():
                        pieces.append(piece)
                finally:
                    await answer.aclose()
        except TimeoutError:
            result["error"] = f"no whole answer after {patience_s:g} s"
        except httpx.HTTPError as error:
            result["error"] = f"{type(error).__name__}: {error}"
        result["body"] = b"".join(pieces).decode(errors="replace")
        shown = result["headers"].get("x-vercel-id")
        result["request_id"] = shown.rpartition("::")[2] if shown else None
        result["elapsed_s"] = round(time.monotonic() - started, 3)
        return result

    async def _run(self) -> None:
        """Visits at random moments, `rate_per_s` of them on average."""
        while True:
            if self.rate_per_s <= 0:
                await asyncio.sleep(0.1)
                continue
            await asyncio.sleep(min(5.0, self._random.expovariate(self.rate_per_s)))
            action = self._random.choices(self.actions, [ACTIONS[name][2] for name in self.actions])[0]
            person = self._random.choice(self._spenders() if action == "chat" else self.system.population.people)
            task = asyncio.create_task(
                self.visit(action, user=person.email, stream=self._random.random() < 0.25, timeout_s=45)
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _spenders(self) -> list[Person]:
        """Whoever chats in the background: people whose organization pays. At this pace a free plan's month is used up within
        hours, and its last day is a spike against its past within one."""
        population = self.system.population
        homes = [(person, population.organization_of(person)) for person in population.people]
        return [person for person, org in homes if org is not None and org.plan != "free"]

    def _who(self, user: str | None, org: str | None) -> tuple[Person, str | None]:
        """The person and the organization's id."""
        population = self.system.population
        chosen = next((o for o in population.organizations if org in (o.id, o.name)), None)
        if org is not None and chosen is None:
            raise UsageError(
                "There is no such organization",
                where="organizations of this sandbox",
                came_back=org,
                do_next=f"There are: {', '.join(each.name for each in population.organizations)}.",
            )
        if user is None:
            return population.people[chosen.members[0][0] if chosen else 0], chosen.id if chosen else None
        person = next((p for p in population.people if user in (p.email, p.name)), None)
        if person is None:
            raise UsageError(
                "There is no such person",
                where="people of this sandbox",
                came_back=user,
                do_next=f"There are: {', '.join(each.name for each in population.people)}; their addresses: runbook sandbox status",
            )
        return person, chosen.id if chosen else None

    async def _session(self, person: Person, session: str) -> str | None:
        if session == "none":
            return None
        if session == "valid":
            return await self._token_of(person)
        if session == "expired":
            return self._minted(person, issued_s_ago=7200, lifetime_s=3600)
        if session == "forged":
            head, _, _ = self._minted(person, issued_s_ago=10, lifetime_s=3600).rpartition(".")
            return f"{head}.{'A' * 43}"
        if session.count(".") == 2:
            return session
        raise UsageError("The session is one of: " + ", ".join(SESSIONS) + ", or a token", came_back=session[:12])

    def _minted(self, person: Person, issued_s_ago: int, lifetime_s: int) -> str:
        """A token as Auth would have signed it some time ago."""
        world = self.system.world
        issued = int(world.now().timestamp()) - issued_s_ago
        claims = {
            "iss": f"https://{world.ids.supabase_ref}.supabase.co/auth/v1",
            "sub": person.id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": person.email,
            "phone": "",
            "aal": "aal1",
            "is_anonymous": False,
            "iat": issued,
            "exp": issued + lifetime_s,
        }
        return supabase_keys.sign(world, claims)

    async def _token_of(self, person: Person) -> str:
        """The person's session token: signed in at Auth, renewed in time, the old one kept while Auth is in trouble."""
        token, ends = self._tokens.get(person.id, ("", 0.0))
        if time.time() < ends - _RENEW_BEFORE_S:
            return token
        with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
            answer = await self._http.post(
                f"{self.system.world.endpoints['supabase']}/auth/v1/token?grant_type=password",
                json={"email": person.email, "password": PASSWORD},
                headers={"apikey": self.system.world.keys.supabase_anon},
                timeout=5,
            )
            said = answer.json()
            token = said["access_token"]
            self._tokens[person.id] = (token, time.time() + said["expires_in"])
        return token or self._minted(person, issued_s_ago=10, lifetime_s=3600)
