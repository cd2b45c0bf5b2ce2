"""The model providers, and every vendor's status page."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Url, setting


class Vendors(BaseModel):
    """The model providers, and every vendor's status page."""

    openai_url: Url = setting(
        "RUNBOOK_OPENAI_URL", default="https://api.openai.com/v1", group="LLM providers", about="OpenAI."
    )
    openai_key: Secret = setting("OPENAI_API_KEY", group="LLM providers", about="sk-…")
    anthropic_url: Url = setting(
        "RUNBOOK_ANTHROPIC_URL", default="https://api.anthropic.com/v1", group="LLM providers", about="Anthropic."
    )
    anthropic_key: Secret = setting("ANTHROPIC_API_KEY", group="LLM providers", about="sk-ant-…")
    together_url: Url = setting(
        "RUNBOOK_TOGETHER_URL", default="https://api.together.ai/v1", group="LLM providers", about="Together."
    )
    together_key: Secret = setting("TOGETHER_API_KEY", group="LLM providers", about="Together's key.")
    openai_status_url: Url = setting(
        "RUNBOOK_OPENAI_STATUS_URL", default="https://status.openai.com", group="LLM providers", about="Status page."
    )
    anthropic_status_url: Url = setting(
        "RUNBOOK_ANTHROPIC_STATUS_URL", default="https://status.claude.com", group="LLM providers", about="Status page."
    )
    together_status_url: Url = setting(
        "RUNBOOK_TOGETHER_STATUS_URL", default="https://status.together.ai", group="LLM providers", about="Status page."
    )

    vercel_status_url: Url = setting(
        "RUNBOOK_VERCEL_STATUS_URL", default="https://www.vercel-status.com", group="Status pages", about="Vercel's."
    )
    railway_status_url: Url = setting(
        "RUNBOOK_RAILWAY_STATUS_URL", default="https://status.railway.com", group="Status pages", about="Railway's."
    )
    fly_status_url: Url = setting(
        "RUNBOOK_FLY_STATUS_URL", default="https://status.flyio.net", group="Status pages", about="Fly.io's."
    )
    supabase_status_url: Url = setting(
        "RUNBOOK_SUPABASE_STATUS_URL", default="https://status.supabase.com", group="Status pages", about="Supabase's."
    )
    stripe_status_url: Url = setting(
        "RUNBOOK_STRIPE_STATUS_URL", default="https://status.stripe.com", group="Status pages", about="Stripe's."
    )
