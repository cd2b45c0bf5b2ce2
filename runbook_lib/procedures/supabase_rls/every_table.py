"""03 about nobody: the audit of every table, as a stranger and as nobody at all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Json
from runbook_lib.io.observe import Look
from runbook_lib.procedures.base import Said, Topic
from runbook_lib.procedures.supabase_rls import rules
from runbook_lib.procedures.supabase_rls.reading import tables_of
from runbook_lib.procedures.supabase_rls.rights import Rights, is_about_one
from runbook_lib.sources.postgres import rls as postgres_rls
from runbook_lib.sources.supabase import rls as supabase_rls
from runbook_lib.sources.team import not_used as team


class EveryTable(Rights):
    """Nobody is named."""

    protecting = ("catalogues", "reach")
    topics: ClassVar[Mapping[str, Topic]] = {
        **Rights.topics,
        "reach": Topic(lambda _: [postgres_rls.reach()], is_one=True),
        "rows": Topic(lambda run: [supabase_rls.rest_past_rls(run.evidence.table)]),
        "offers": Topic(lambda run: run.offers(), after=("catalogues",), is_one=True),
        "not_used": Topic(lambda _: [team.not_used()], is_one=True),
    }

    @classmethod
    def is_for(cls, parameters: Mapping[str, Json]) -> bool:
        """Whether it is about nobody."""
        return not is_about_one(parameters)

    def prepare(self) -> None:
        """Raises UsageError for a question about somebody's access that does not say whose."""
        super().prepare()
        lone = [name for name in ("org", "row_id", "table", "apikey") if self.given[name]]
        if lone or self.given["command"] not in ("", "select"):
            raise UsageError(
                "Whose access is it about?",
                where=", ".join(lone or ["command"]),
                came_back="neither a user nor a token was given",
                do_next="Give user=<id or e-mail> or jwt=env:NAME too; or nothing at all, for the audit of every table.",
            )
        self.evidence = replace(self.evidence, is_audit=True)

    def offers(self) -> Sequence[Look]:
        """Whether PostgREST has each table that the catalogue holds; nothing where it holds none, or could not be read."""
        tables = sorted(tables_of(self.evidence))
        return [supabase_rls.rest_offers(tables)] if tables else []

    def judge_the_token(self) -> Said:
        """There is none."""
        return Said("No token was given, so the session itself is not judged.")

    def find_the_membership(self) -> Said:
        """There is no user; but what this system does not have is asked."""
        self.ask("not_used")
        return Said("No user was named: this is the audit of every table.")

    def ask_as_the_user(self) -> Said:
        """Whether PostgREST offers the tables at all."""
        self.ask("rows", "offers")
        return Said("No user was named; every table was asked as a stranger and as nobody, above.")

    def diagnose(self) -> Conclusion:
        """The verdict on the whole schema."""
        return rules.every_table(self.evidence)
