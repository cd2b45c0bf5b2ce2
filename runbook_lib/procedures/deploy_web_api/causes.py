"""The causes that procedure 06 can name."""

from runbook_lib.judging.causes import Catalogue
from runbook_lib.procedures.deployments import causes as deployment_causes

CATALOGUE = Catalogue("06_deploy_web_api", *deployment_causes.ALL)
