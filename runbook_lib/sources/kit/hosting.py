"""Where a part runs, as far as settings say: a platform is named for it, whether or not its token is there too."""

from runbook_lib.settings import Settings, variable_names

ADDRESSES = {"web": "web_url", "api": "api_url", "gateway": "gateway_url"}
VERCEL_PROJECTS = {"web": "vercel_web_project", "api": "vercel_api_project"}
RAILWAY_SERVICES = {"api": "railway_api_service_id", "gateway": "railway_gateway_service_id"}
_HOSTS = {"vercel": VERCEL_PROJECTS, "railway": RAILWAY_SERVICES, "fly": {"gateway": "fly_gateway_app"}}


def platforms_of(settings: Settings, part: str) -> list[str]:
    """The platforms on which web, api or gateway is said to run."""
    return [name for name, fields in _HOSTS.items() if part in fields and getattr(settings, fields[part])]


def is_address_given(settings: Settings, part: str) -> bool:
    """Whether the part's address was set, not taken from the default, which is this machine."""
    names = set(variable_names(ADDRESSES[part]))
    return any(value.strip() for held in settings.places.values() for name, value in held.items() if name in names)
