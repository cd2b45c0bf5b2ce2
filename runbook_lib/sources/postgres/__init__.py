"""Looks at the database itself."""

from runbook_lib.core.permissions import permit
from runbook_lib.sources.kit.permitted import VALUES_OF_VARIABLES

permit("postgres", *VALUES_OF_VARIABLES)
permit("schema")
