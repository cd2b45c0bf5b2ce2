"""How on-call asks 03: by what the user told, or by the token that the user's request carried; and again once all is healed."""

import os
import secrets
from datetime import datetime

from runbook_lib.drills.kit.asking import Parameters
from runbook_lib.drills.kit.fault import Result
from runbook_lib.drills.supabase_rls.faults_session import USER, org_id
from runbook_lib.sandbox import Sandbox


def by_access(_sandbox: Sandbox, got: Result, _since: datetime) -> Parameters:
    """User, organization, table, command and row as far as the user told; a token and a key by reference."""
    references = {
        name: _reference(str(got[key])) for name, key in (("jwt", "token"), ("apikey", "apikey")) if got.get(key)
    }
    return {**got["asked"], **references}


def same_user(sandbox: Sandbox) -> Parameters:
    """The user's access to the usage records."""
    return {"user": USER, "org": org_id(sandbox), "table": "usage_records"}


def _reference(secret: str) -> str:
    """A variable of this process, and of the notebook's that it starts, that holds the secret."""
    name = f"RUNBOOK_DRILL_{secrets.token_hex(6).upper()}"
    os.environ[name] = secret
    return f"env:{name}"
