"""The faults of 03, in the order of its causes."""

from runbook_lib.sandbox.faults import supabase_rls_database, supabase_rls_session
from runbook_lib.sandbox.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (*supabase_rls_session.FAULTS, *supabase_rls_database.FAULTS)
