"""Supabase: the project, its database, its Management API."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, Url, setting


class Supabase(BaseModel):
    """Supabase: the project, its database, its Management API."""

    supabase_url: Url = setting(
        "SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL", group="Supabase", about="The project's address."
    )
    supabase_anon_key: Secret = setting(
        "SUPABASE_ANON_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY", group="Supabase", about="Anon or publishable key."
    )
    supabase_service_role_key: Secret = setting(
        "SUPABASE_SERVICE_ROLE_KEY",
        group="Supabase",
        about="Service-role or secret key: sees past RLS; used for counts only.",
    )
    supabase_jwt_secret: Secret = setting(
        "RUNBOOK_SUPABASE_JWT_SECRET",
        group="Supabase",
        about="The legacy JWT secret, only to verify a token's signature.",
    )
    supabase_api_url: Url = setting(
        "RUNBOOK_SUPABASE_API_URL", default="https://api.supabase.com", group="Supabase", about="The Management API."
    )
    supabase_access_token: Secret = setting(
        "RUNBOOK_SUPABASE_ACCESS_TOKEN",
        group="Supabase",
        about="Personal token sbp_…; read scopes: projects, database, analytics.",
    )
    supabase_ref: Text = setting(
        "RUNBOOK_SUPABASE_PROJECT_REF", group="Supabase", about="The project's ref; by default read off its address."
    )
    database_url: Secret = setting(
        "RUNBOOK_DATABASE_URL", group="Supabase", about="postgresql://… of a role that may read the catalogue."
    )
