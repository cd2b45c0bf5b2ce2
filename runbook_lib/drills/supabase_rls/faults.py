"""The faults of 03, in the order of its causes."""

from runbook_lib.drills.kit.fault import Fault
from runbook_lib.drills.supabase_rls import faults_database as supabase_rls_database
from runbook_lib.drills.supabase_rls import faults_session as supabase_rls_session

FAULTS: tuple[Fault, ...] = (*supabase_rls_session.FAULTS, *supabase_rls_database.FAULTS)
