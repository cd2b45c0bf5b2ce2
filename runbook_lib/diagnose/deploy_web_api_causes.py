"""The causes that procedure 06 can name."""

from runbook_lib.diagnose import deployment_causes
from runbook_lib.diagnose.causes import Catalogue

CATALOGUE = Catalogue("06_deploy_web_api", *deployment_causes.ALL)
