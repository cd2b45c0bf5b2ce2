"""Actions of a workflow are pinned by the hash of a commit: a tag can be moved to other code, which then runs with our secrets."""

import re
from pathlib import Path

import yaml

WORKFLOWS = Path(__file__).resolve().parents[2] / ".github" / "workflows"
FILES = sorted((*WORKFLOWS.glob("*.yml"), *WORKFLOWS.glob("*.yaml")))
PINNED = re.compile(r"(?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)")


def used() -> list[tuple[str, str]]:
    """Every `uses:` with its comment, by the name of its file."""
    return [
        (path.name, line.split("uses:", 1)[1].strip())
        for path in FILES
        for line in path.read_text("utf-8").splitlines()
        if re.match(r"\s*(?:- )?uses:", line)
    ]


def test_every_action_is_local_or_pinned_by_a_commit_and_says_its_version() -> None:
    loose = [(name, action) for name, action in used() if not action.startswith("./") and not PINNED.fullmatch(action)]
    assert loose == []


def test_one_repository_of_actions_is_one_commit_everywhere() -> None:
    commits: dict[str, set[tuple[str, str]]] = {}
    for _, action in used():
        if match := PINNED.fullmatch(action):
            repository = "/".join(match["action"].split("/")[:2])
            commits.setdefault(repository, set()).add((match["commit"], match["version"]))
    assert {repository: pins for repository, pins in commits.items() if len(pins) > 1} == {}


def test_no_use_of_an_action_is_written_in_a_way_that_these_tests_overlook() -> None:
    def uses(node: object) -> int:
        children = [*node.values()] if isinstance(node, dict) else node if isinstance(node, list) else []
        own = isinstance(node, dict) and "uses" in node
        return own + sum(map(uses, children))

    assert len(FILES) >= 3
    assert sum(uses(yaml.safe_load(path.read_text("utf-8"))) for path in FILES) == len(used()) > 0


def test_a_workflow_may_read_the_repository_and_nothing_else() -> None:
    for path in FILES:
        assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {"contents": "read"}, path.name
