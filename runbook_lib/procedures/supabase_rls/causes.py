"""The causes that procedure 03 can name, in the order in which they explain, and the looks that would have shown each.

What strikes every user explains the symptom before anything about this one does: the token, PostgREST, the grants, recursion; then
the user, and last what the policies say of them.
"""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub
from runbook_lib.judging.witnesses import Topics, all_of, any_of, first_of, look, not_used, proof
from runbook_lib.procedures.supabase_rls.access import (
    is_command_run,
    is_offered,
    proof_of_absent_row,
    proof_of_accepted_token,
    proof_of_access,
    proof_of_membership,
    proof_of_offered_tables,
    proof_of_strangers_tried,
    tells_of_a_user,
)

ACCESS, SESSION, IDENTITY = "a user's access", "a token", "whether a token is that user's"
EVERY_TABLE, COMPARISON = "every table", "the repository's file"

NO_MIGRATIONS = not_used("migrations", "repository of its schema", "postgres.schema_file")

TOPICS = Topics(
    {
        "token": look("supabase.token"),
        "token_taken": proof("PostgREST takes the token", proof_of_accepted_token, "supabase.rest_as_user"),
        "user": first_of(
            look("postgres.user", holding=tells_of_a_user, else_why="it tells of nobody"),
            look("supabase.user", holding=tells_of_a_user, else_why="it tells of nobody"),
            look("supabase.rest_user", holding=tells_of_a_user, else_why="it tells of nobody"),
        ),
        "organization": first_of("postgres.organization", "supabase.organization", "supabase.rest_organization"),
        "catalogue": first_of("postgres.policies", "supabase.policies"),
        "every_row": first_of("supabase.rest_past_rls", "supabase.rows"),
        "command_run": look("postgres.as_user", holding=is_command_run, else_why="it was refused"),
        "answered_by_postgrest": any_of(
            look("supabase.rest_as_user", holding=is_offered, else_why="it did not come as far as Postgres"),
            look("supabase.rest_past_rls", holding=is_offered, else_why="it did not come as far as Postgres"),
        ),
        "offered": all_of(
            "answered_by_postgrest",
            proof("PostgREST offers every table in question", proof_of_offered_tables, "supabase.rest_offers"),
        ),
        "let_through": proof("the user is let through", proof_of_access, "postgres.as_user", "supabase.rest_as_user"),
        "row_absent": proof("the row is not there", proof_of_absent_row, "postgres.as_user", "supabase.rest_past_rls"),
        "not_denied": any_of("let_through", "row_absent"),
        "member": proof("the user is a member", proof_of_membership, "postgres.user", "supabase.user"),
        "strangers": proof("every table was asked as a stranger", proof_of_strangers_tried, "postgres.reach"),
        "audited": all_of("strangers", "catalogue"),
        "repository": first_of(look("postgres.schema_file"), NO_MIGRATIONS),
        "compared": all_of("repository", "catalogue"),
        "refusals": look("supabase.refusals", is_helpful=True),
        "migrations": look("supabase.migrations", is_helpful=True),
        "deployments": look("vercel.deployments", is_helpful=True),
        "variables": look("vercel.env_changes", is_helpful=True),
        "said": look("team.not_used", is_helpful=True),
    }
)

# what is so of the user whom the query runs as says nothing of the one who was meant
_NOT_MEANT = ("rls.wrong_user", "rls.service_role_overridden")
_WITHOUT_A_PROFILE = (*_NOT_MEANT, "rls.profile_missing")  # nobody without a profile is a member of anything

CATALOGUE = Catalogue(
    "03_supabase_rls",
    Cause(
        "rls.no_session",
        Kind.fault,
        "the request carries only the anon key: nobody is signed in",
        "Send the user's access token in Authorization; check that the session reaches the server-side client.",
        questions=(SESSION,),
        shown_by="token",
    ),
    Cause(
        "rls.jwt_expired",
        Kind.fault,
        "the user's token is past its exp",
        "Refresh the session before the call: check autoRefreshToken, and the clocks of client and server.",
        questions=(SESSION,),
        shown_by="token_taken",
    ),
    Cause(
        "rls.jwt_invalid",
        Kind.fault,
        "a verifier does not take the user's token; the summary says which",
        "Sign in again at this project; check with which project's keys the token was made.",
        {
            "form": Sub("it is no JWT", "Send the access token that Auth gave, whole and alone, after `Bearer `."),
            "signature": Sub("the signature does not verify"),
            "key": Sub(
                "signed with a key that the project does not list",
                "Sign in again: the signing key was rotated out, or the token is of another project.",
            ),
            "project": Sub("made for another project", "Use one project's URL and keys for sign-in and for data."),
            "audience": Sub(
                "its aud is not the one that PostgREST asks for",
                "Let the token's `aud` be `authenticated`, or correct PostgREST's jwt-aud.",
            ),
            "not_yet": Sub(
                "it is not yet in force: nbf or iat lie in the future", "Correct the clock of whoever signed the token."
            ),
        },
        questions=(SESSION,),
        shown_by="token_taken",
    ),
    Cause(
        "rls.jwt_no_subject",
        Kind.fault,
        "the token has no sub, so auth.uid() is null",
        "Use the token that Auth gave the user; one of your own making needs `sub`.",
        questions=(SESSION,),
        shown_by="token",
    ),
    Cause(
        "rls.wrong_role",
        Kind.fault,
        "the Postgres role is not the one meant: not `authenticated`",
        "Let the token's `role` be `authenticated`: check auth.users.role and the custom access token hook.",
        questions=(SESSION,),
        shown_by="token",
    ),
    Cause(
        "rls.wrong_user",
        Kind.fault,
        "the token is another user's than the one that was named",
        "Check whose session the client holds: a cached client, or another account in the same browser.",
        questions=(IDENTITY,),
        shown_by=all_of("token", "user"),
    ),
    Cause(
        "rls.service_role_overridden",
        Kind.fault,
        "a user's token in Authorization beside the service key: the query runs as the user, not past RLS",
        "Make the service client without the user's session: persistSession and autoRefreshToken off, no Authorization header.",
        questions=(SESSION,),
        shown_by="token",
    ),
    Cause(
        "rls.not_exposed",
        Kind.fault,
        "PostgREST does not offer the table",
        "Check the API's exposed schemas; notify pgrst, 'reload schema'.",
        {
            "schema": Sub("its schema is not exposed", "Add the schema to the API's exposed schemas."),
            "cache": Sub("the table is there, and PostgREST's schema cache is stale", "notify pgrst, 'reload schema'."),
            "no_table": Sub(
                "there is no such table in schema public", "Check the table's name; apply the migration that makes it."
            ),
        },
        questions=(ACCESS, EVERY_TABLE),
        explained_by=_NOT_MEANT,
        shown_by="offered",
    ),
    Cause(
        "rls.grant_missing",
        Kind.fault,
        "42501: the role lacks a grant",
        "Grant what is missing; the summary names it.",
        {
            "schema": Sub("usage on a schema", "grant usage on schema … to authenticated."),
            "table": Sub("the command on a table", "grant select (insert, update, delete) on … to authenticated."),
            "column": Sub(
                "some columns of the table", "Ask for the granted columns only (no select=*), or grant the others."
            ),
            "function": Sub(
                "execute on a function that a policy calls", "grant execute on function … to authenticated."
            ),
        },
        questions=(ACCESS, EVERY_TABLE),
        explained_by=_NOT_MEANT,
        shown_by=any_of("not_denied", "command_run", "audited"),
    ),
    Cause(
        "rls.policy_recursion",
        Kind.fault,
        "42P17: a policy looks into its own table, directly or by way of another, so Postgres refuses every query of it",
        "Ask for the membership in a SECURITY DEFINER function of a private schema, and call that in the policy.",
        {
            "function": Sub(
                "54001: a policy calls a function with the caller's rights that reads the policy's own table",
                "Make the function SECURITY DEFINER with `set search_path = ''`, owned by the table's owner.",
            )
        },
        questions=(ACCESS, EVERY_TABLE),
        explained_by=_NOT_MEANT,
        shown_by=any_of("not_denied", "command_run", "strangers"),
    ),
    Cause(
        "rls.user_unknown",
        Kind.fault,
        "no such user in auth.users",
        "Check the id or address; the user may have been deleted, or belong to another project.",
        {"deleted": Sub("the user was deleted", "Restore the user or have them sign up again; end their sessions.")},
        questions=(ACCESS,),
        explained_by=_NOT_MEANT,
        shown_by=any_of("user", "let_through"),
    ),
    Cause(
        "rls.profile_missing",
        Kind.fault,
        "the user has no row in profiles",
        "Insert the profile; find out why it was not made at sign-up (trigger, or the first request).",
        questions=(ACCESS,),
        explained_by=_NOT_MEANT,
        shown_by=any_of("user", "let_through"),
    ),
    Cause(
        "rls.no_membership",
        Kind.fault,
        "the user has no membership in the organization",
        "Add the membership through the API, if the user is to have it.",
        questions=(ACCESS,),
        explained_by=_WITHOUT_A_PROFILE,
        shown_by=any_of("not_denied", "member"),
    ),
    Cause(
        "rls.other_org",
        Kind.fault,
        "the row belongs to an organization that the user is not in; the user is in another one",
        "Ask with the organization that the row belongs to; check which organization the app has chosen.",
        questions=(ACCESS,),
        explained_by=_WITHOUT_A_PROFILE,
        shown_by=any_of("not_denied", "member"),
    ),
    Cause(
        "rls.invite_pending",
        Kind.fault,
        "the user was invited to the organization and has not accepted",
        "Have the user accept the invitation.",
        questions=(ACCESS,),
        explained_by=_WITHOUT_A_PROFILE,
        shown_by=any_of("not_denied", "member"),
    ),
    Cause(
        "rls.role_too_low",
        Kind.fault,
        "the user is a member, and the policy asks for another role",
        "Raise the member's role, or let somebody do it who has it.",
        questions=(ACCESS,),
        explained_by=_WITHOUT_A_PROFILE,
        shown_by="not_denied",
    ),
    Cause(
        "rls.stale_claims",
        Kind.fault,
        "the token's claims are older than what Auth holds: with today's the policy is true",
        "Have the session refreshed (refreshSession, or sign in again); a token keeps its claims until then.",
        questions=(ACCESS,),
        explained_by=_WITHOUT_A_PROFILE,
        shown_by="not_denied",
    ),
    Cause(
        "rls.no_policy",
        Kind.fault,
        "RLS is on, and no policy allows the command for the role",
        "Write the policy, or send this command through the service role on the server.",
        questions=(ACCESS, EVERY_TABLE),
        explained_by=_WITHOUT_A_PROFILE,
        shown_by=any_of("not_denied", "catalogue"),
    ),
    Cause(
        "rls.restrictive_policy",
        Kind.fault,
        "a restrictive policy refuses what another policy would allow",
        "Look at the restrictive policy's false term: the row, the user's data or the policy is wrong.",
        questions=(ACCESS,),
        explained_by=_WITHOUT_A_PROFILE,
        shown_by="not_denied",
    ),
    Cause(
        "rls.policy_false",
        Kind.fault,
        "a policy is false for this user and this row, and nothing narrower says why",
        "Look at the false term: the row, the user's data or the policy is wrong.",
        questions=(ACCESS,),
        explained_by=_WITHOUT_A_PROFILE,
        shown_by="not_denied",
    ),
    Cause(
        "rls.returning_blocked",
        Kind.fault,
        "the write is allowed, reading the written row back is not",
        "Write without asking for the row back (no .select(), return=minimal), or let the SELECT policy show it to its writer.",
        questions=(ACCESS,),
        explained_by=_WITHOUT_A_PROFILE,
        shown_by="not_denied",
    ),
    Cause(
        "rls.row_absent",
        Kind.state,
        "the row is not there at all, seen past RLS",
        "Nothing to mend in the policies; look for what should have written the row.",
        questions=(ACCESS,),
        shown_by=any_of("command_run", "every_row"),
    ),
    Cause(
        "rls.disabled",
        Kind.exposure,
        "RLS is off, and the table is granted to the API's roles: open to all",
        "alter table … enable row level security, with policies for those who are to see it.",
        {
            "policies_unused": Sub(
                "it has policies, and they are not asked", "alter table … enable row level security."
            ),
            "view": Sub(
                "a view reads past RLS with its owner's rights",
                "alter view … set (security_invoker = true), or revoke it from anon and authenticated.",
            ),
            "role": Sub(
                "a role of the API itself bypasses RLS", "alter role … nobypassrls; nothing is protected until then."
            ),
        },
        questions=(EVERY_TABLE,),
        shown_by="catalogue",
    ),
    Cause(
        "rls.policy_always_true",
        Kind.exposure,
        "a policy that never refuses",
        "Give the policy a condition on the row, or restrict it to the role that it is meant for.",
        questions=(EVERY_TABLE,),
        shown_by="audited",
    ),
    Cause(
        "rls.trusts_user_metadata",
        Kind.exposure,
        "a policy believes user_metadata, which every user can write for themselves",
        "Read app_metadata, which only the service role writes, or ask memberships.",
        questions=(EVERY_TABLE,),
        shown_by="catalogue",
    ),
    Cause(
        "rls.drift",
        Kind.exposure,
        "live policies differ from the repository's",
        "Apply the repository's file as a migration, or bring the live change into the repository.",
        {
            "policy_missing": Sub("a policy of the repository is not there"),
            "policy_extra": Sub("a policy is there that the repository does not have"),
            "policy_changed": Sub("a policy says something else than the repository's"),
            "flag": Sub("RLS is switched otherwise than in the repository"),
            "function": Sub("a function that policies call differs"),
            "table_missing": Sub("a table of the repository is not there"),
        },
        questions=(COMPARISON,),
        shown_by="compared",
        not_applicable=NO_MIGRATIONS.why,
    ),
    topics=TOPICS,
)
