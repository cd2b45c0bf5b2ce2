"""The causes of a deployment that did not go well, on whichever platform: 06 owns them, 07 may name some of them too.

A narrower code that other looks show than its cause, or that explains something else, is a cause of its own here.
"""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Cause, Sub
from runbook_lib.judging.witnesses import all_of
from runbook_lib.procedures.deployments.witnesses import NO_GITHUB, no_commits

PRODUCTION, BRANCH = "what production serves", "the branch's newest commit"  # what a run can be asked for
_SEE_BUILD = "Fix what the first error of the build log names, and push; what served before still serves."
_SEE_BRANCH = "Deploy the branch's newest commit."

ENV_MISSING = Cause(
    "deploy.env_missing",
    Kind.fault,
    "a variable that the part needs is not set for this target",
    "Set it on the platform for this target and deploy again: variables reach deployments made after them only.",
    {"other_target": Sub("it is set, but for another target than this one")},
    shown_by="variables",
)
MIGRATION_MISSING = Cause(
    "deploy.migration_missing",
    Kind.fault,
    "the code expects a table, column or function that the database does not have",
    "Apply the migration that the code was written with, or go back to the deployment before it until it is applied.",
    shown_by="traffic",
    questions=(PRODUCTION,),
)
ERROR_RATE_UP = Cause(
    "deploy.error_rate_up",
    Kind.fault,
    "more requests fail since this deployment, and the new errors originate in it",
    "Go back to the deployment before it (the plan names it), then fix the error that it brought.",
    shown_by="traffic",
    questions=(PRODUCTION,),
)
PAUSED = Cause(
    "deploy.not_ready.paused",
    Kind.fault,
    "the project is paused, so nothing is served",
    "Resume the project; see why it was paused.",
    shown_by="projects",
)
CRASHED = Cause(
    "deploy.not_ready.crashed",
    Kind.fault,
    "it started and crashed",
    "Read its last log lines; go back to the deployment before it.",
    shown_by="deployments",
)
HEALTH_FAILING = Cause(
    "deploy.health_failing",
    Kind.fault,
    "what serves does not answer its health check well",
    "Go back to the deployment before it if this one brought it; else read the part's log.",
    {
        "no_answer": Sub("the platform found nobody who answers"),
        "error": Sub("it answers with an error"),
        "wrong_answer": Sub(
            "something answers 200, and it is not the part",
            "Check the domain and the route; something else is served there.",
        ),
        "at_deploy": Sub(
            "the platform's health check at the deployment failed, so the new one never served",
            "Make the service answer 200 at the health check's path, on the port that the platform gives it.",
        ),
    },
    shown_by=all_of("health", "deployments"),
    explained_by=(
        "deploy.migration_missing",
        "deploy.error_rate_up",
        "deploy.not_ready.paused",
        "deploy.not_ready.crashed",
        "image.port_mismatch",
        "machine.crash_loop",
        "machine.out_of_memory",
        "machine.stopped",
        "machine.host_unreachable",
        "machine.check_failing",
    ),
    questions=(PRODUCTION,),
)
PROTECTION_ON = Cause(
    "deploy.protection_on",
    Kind.fault,
    "the production domain asks visitors for a login of the platform's",
    "Take deployment protection off production (project settings, Deployment Protection).",
    shown_by="health",
    questions=(PRODUCTION,),
)
ALIAS_MISSING = Cause(
    "deploy.alias_stale.missing",
    Kind.fault,
    "the production domain leads to no deployment",
    "Assign the domain to the project's production.",
    shown_by="health",
    questions=(PRODUCTION,),
)
BUILD_FAILED = Cause(
    "deploy.build_failed",
    Kind.fault,
    "the build failed",
    _SEE_BUILD,
    {
        "install": Sub("at installing dependencies", "Make the lock file and the manifest agree, and push."),
        "compile": Sub("at compiling the code or checking its types"),
        "resources": Sub(
            "for lack of memory, disk or time", "Make the build smaller, or give it a larger machine, and build again."
        ),
    },
    shown_by="deployments",
    explained_by=("image.build_file.copy", "image.build_file.no_base", "image.build_file.fails"),
)
BUILD_FAILED_ENV = Cause(
    "deploy.build_failed.env",
    Kind.fault,
    "the build failed because a variable that it needs was not there",
    "Set the variable for this target; build again.",
    shown_by="deployments",
    explained_by=("deploy.env_missing", *BUILD_FAILED.explained_by),
)
CANCELED = Cause(
    "deploy.canceled",
    Kind.fault,
    "the newest deployment was canceled and nothing took its place",
    "Deploy again, or find out who canceled it and why.",
    shown_by="deployments",
)
NOT_READY = Cause(
    "deploy.not_ready",
    Kind.fault,
    "the newest deployment has not become ready in a time in which others did",
    "Look at the platform's queue and the build's last line; cancel it and deploy again.",
    {
        "blocked": Sub(
            "it waits for somebody's approval, or the platform blocked it", "Approve it, or settle what blocks it."
        ),
        "none": Sub("there is no deployment at all", "Deploy for the first time."),
    },
    shown_by=all_of("deployments", "projects"),
)
CHECKS_FAILED = Cause(
    "deploy.checks_failed",
    Kind.fault,
    "a check on the deployed commit failed",
    "Open the failed check and fix what it names before this commit goes (or stays) in production.",
    shown_by=all_of("checks", "deployments"),
    not_applicable=no_commits,
)
REPO_NOT_CONNECTED = Cause(
    "deploy.repo_not_connected",
    Kind.fault,
    "the project is connected to no repository, so a push deploys nothing",
    "Connect the repository again (project settings, Git), then push or redeploy.",
    shown_by="projects",
)
ALIAS_STALE = Cause(
    "deploy.alias_stale",
    Kind.fault,
    "a newer good deployment is there, and the production domain still leads to an older one",
    "Promote the newer deployment.",
    {
        "rolled_back": Sub(
            "a rollback pinned the domain, and deployments made since do not take over",
            "Promote the newest deployment: that also lets later ones take over again.",
        ),
        "staged": Sub("it was built, and never promoted to production"),
        "failed": Sub("assigning the domain failed", "Assign the domain again; its error says what is in the way."),
    },
    shown_by=all_of("projects", "deployments"),
    questions=(PRODUCTION,),
)
WRONG_COMMIT = Cause(
    "deploy.wrong_commit",
    Kind.fault,
    "what serves was not built from the commit that should be live",
    _SEE_BRANCH,
    {"older": Sub("a newer commit was deployed well before, and an older one was put in its place")},
    shown_by=all_of("projects", "deployments"),
    not_applicable=no_commits,
)
NOT_DEPLOYED = Cause(
    "deploy.wrong_commit.not_deployed",
    Kind.fault,
    "the branch has newer commits of this part, and no deployment was made of them",
    _SEE_BRANCH,
    shown_by=all_of("branch", "projects", "deployments"),
    not_applicable=lambda seen: no_commits(seen) or NO_GITHUB.why(seen),
    explained_by=("deploy.repo_not_connected",),
    questions=(BRANCH,),
)
OTHER_BRANCH = Cause(
    "deploy.wrong_commit.other_branch",
    Kind.fault,
    "the commit that serves is not on the branch",
    "Deploy the branch's newest commit; see who deployed the other one.",
    shown_by=all_of("branch", "projects", "deployments"),
    not_applicable=no_commits,
    questions=(BRANCH,),
)
ENV_STALE = Cause(
    "deploy.env_stale",
    Kind.fault,
    "a variable was changed after the deployment that serves, which still has the old one",
    "Redeploy: the same commit, without the build cache.",
    shown_by=all_of("variables", "projects", "deployments"),
)
PREVIEW_DISABLED = Cause(
    "deploy.preview_disabled",
    Kind.fault,
    "pull requests get no preview deployment",
    "Switch preview deployments on (project settings, Environments), or find what keeps the branch from being built.",
    {"switched_off": Sub("the project's settings say so")},
    shown_by="projects",
)
NONE_MADE = Cause(
    "deploy.preview_disabled.none_made",
    Kind.fault,
    "a pull request is open, and its commit was never deployed",
    "See why its branch is not built: the ignored build step, the branch filter, the connection to the repository.",
    shown_by=all_of("projects", "previews", "pulls"),
    not_applicable=NO_GITHUB.why,
    explained_by=("deploy.repo_not_connected", "deploy.not_ready.none"),
)
IN_PROGRESS = Cause(
    "deploy.in_progress",
    Kind.state,
    "a deployment is under way, and not for longer than usual",
    "Wait for it to end, then run again.",
    shown_by="deployments",
)
ROLLED_BACK = Cause(
    "deploy.rolled_back",
    Kind.state,
    "an older deployment serves because somebody rolled back, and nothing was deployed since",
    "Promote when the reason for the rollback is fixed; until then new deployments do not take over.",
    shown_by=all_of("projects", "deployments"),
)
ERRORS_ELSEWHERE = Cause(
    "deploy.errors_elsewhere",
    Kind.state,
    "more requests fail since this deployment, and the errors begin elsewhere",
    "Going back would not help; run the procedure of where they begin (01 for one request).",
    shown_by="traffic",
    questions=(PRODUCTION,),
)

# What explains the symptom first: what hurts users, then why the new code is not there, then how it is set up.
ALL = (
    ENV_MISSING,
    MIGRATION_MISSING,
    ERROR_RATE_UP,
    PAUSED,
    CRASHED,
    HEALTH_FAILING,
    PROTECTION_ON,
    ALIAS_MISSING,
    BUILD_FAILED,
    BUILD_FAILED_ENV,
    CANCELED,
    NOT_READY,
    CHECKS_FAILED,
    REPO_NOT_CONNECTED,
    ALIAS_STALE,
    WRONG_COMMIT,
    NOT_DEPLOYED,
    OTHER_BRANCH,
    ENV_STALE,
    PREVIEW_DISABLED,
    NONE_MADE,
    IN_PROGRESS,
    ROLLED_BACK,
    ERRORS_ELSEWHERE,
)
_OF_A_PROJECT = (
    PAUSED,
    PROTECTION_ON,
    ALIAS_MISSING,
    ALIAS_STALE,
    PREVIEW_DISABLED,
    NONE_MADE,
    ROLLED_BACK,
)  # Vercel's alone
# Those that the gateway's container on Railway or Fly can show as well; its crashes have codes of their own.
OF_A_SERVICE = tuple(cause for cause in ALL if cause not in (*_OF_A_PROJECT, CANCELED, CRASHED, MIGRATION_MISSING))
