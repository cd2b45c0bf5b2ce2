"""The causes that procedure 06 can name, in the order in which they explain, and the looks that would have shown each."""

from runbook_lib.judging.causes import Catalogue
from runbook_lib.judging.witnesses import Topics, first_of, look
from runbook_lib.procedures.deployments import causes as deployment_causes
from runbook_lib.procedures.deployments.witnesses import NO_GITHUB, OF_ANY_DEPLOYMENT, OnEachSite

TOPICS = Topics(
    {
        **OF_ANY_DEPLOYMENT,
        "pulls": first_of("github.pulls", NO_GITHUB),
        "previews": OnEachSite(("vercel.deployments",)),
        "durations": look("tempo.durations", is_helpful=True),
    }
)
CATALOGUE = Catalogue("06_deploy_web_api", *deployment_causes.ALL, topics=TOPICS)
