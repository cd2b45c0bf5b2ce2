"""03: a user may not see or write what they should. Two forms of the same steps: about one user, or about every table."""

from runbook_lib.procedures.supabase_rls.every_table import EveryTable as EveryTable
from runbook_lib.procedures.supabase_rls.one_user import OneUser as OneUser
