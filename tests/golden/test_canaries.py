"""Every canary in every channel of all ten procedures, and then every byte that was written is searched for each of them.

The channels are the answers that the drills recorded: one of each look that a procedure makes. A canary stands in a field of its
own, and in every text long enough to be somebody's sentence; a look that fails says it in its reason. What runs are the
notebook's own cells, with the real observer, recorder, displays, save hooks and seal; only the fetch is the test's.
"""

import ast
import copy
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.artifact.files import write_atomic
from runbook_lib.artifact.verify import verify
from runbook_lib.cli.printing import print_result
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Observation, Status
from runbook_lib.core.redact import Masked
from runbook_lib.drills.kit.case_list import select
from runbook_lib.drills.kit.records import Record, read
from runbook_lib.io.observe import Look, Observer
from runbook_lib.procedures.catalogues import CATALOGUES
from runbook_lib.run import opening
from runbook_lib.run.home import CHECKOUT, Home
from runbook_lib.run.lab.hooks import mask_before_save, seal_after_save
from runbook_lib.run.lab.working_copy import write_working_copy
from runbook_lib.run.notebooks import find_template
from runbook_lib.run.parameters import declared_parameters
from runbook_lib.run.runner import prepare
from tests.golden.canaries import KNOWN, Canary, canaries, members, names_of_those_in

PROCEDURES = sorted(catalogue.procedure for catalogue in CATALOGUES)
ADDRESS = "canary.jane@example.com"
SENTENCE = 24  # characters: a text this long with a space in it is somebody's words, not an id, a time or a status


class Planter:
    """Answers looks from records, with canaries in every place that an answer has."""

    def __init__(self, records: list[Record]) -> None:
        self._seen: dict[tuple[str, str], list[Observation]] = {}
        for record in records:
            for seen in record.observations:
                self._seen.setdefault((seen.source, seen.call), []).append(seen)
        self._turn = itertools.cycle(list(canaries()))
        self._number = itertools.count()
        self.planted: list[Canary] = []
        self.channels: dict[tuple[str, str], int] = {}

    def answer(self, look: Look[Any]) -> Answer[Any]:
        """What the look brings; a look that no record knows fails, with a canary in its words."""
        known = self._seen.get((look.source, look.call), [])
        channel = (look.source, look.call)
        nth = self.channels.get(channel, 0)
        self.channels[channel] = nth + 1
        if not known:
            raise LookError(
                Status.failed, self._sentence("not in any record"), where=self._sentence("https://x.example")
            )
        past = known[nth % len(known)]
        value = self._within(copy.deepcopy(past.value))
        if not nth:
            self._add_all(value)
        return Answer(past.status, value, self._sentence(past.why or "as it was"), past.help)

    def _sentence(self, text: str) -> str:
        canary = next(self._turn)
        self.planted.append(canary)
        return f"{text}\n{canary.text}\n"

    def _within(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._sentence(value) if len(value) >= SENTENCE and " " in value else value
        if isinstance(value, list):
            return [self._within(each) for each in value]
        if isinstance(value, dict):
            return {key: self._within(each) for key, each in value.items()}
        return value

    def _add_all(self, value: Any) -> None:
        """Every canary there is, beside what the look brought: in the first record of its rows, or in itself."""
        target = next((row for row in value if isinstance(row, dict)), None) if isinstance(value, list) else value
        if isinstance(target, dict):
            said, planted = members(next(self._number))
            every = list(canaries())
            self.planted += [*planted, *every]
            target["beside"] = {**said, "lines": [canary.text for canary in every]}


def records_of(procedure: str) -> list[Record]:
    """Few records that have every look of the procedure between them: what brings most, then what brings most of the rest."""
    recorded = [record for case in select(procedure=procedure) for record in read(procedure, case.id)[:1]]
    looks = [{(each.source, each.call, each.status.answered) for each in record.observations} for record in recorded]
    kept, missing = [], set().union(*looks)
    while missing:
        most = max(range(len(recorded)), key=lambda at: len(looks[at] & missing))
        missing -= looks[most]
        kept.append(recorded[most])
    return kept


def given_in(record: Record, home: Home) -> dict[str, Any]:
    """The parameters of a recorded run, with somebody's address in place of a pseudonym, and a secret by its reference."""
    given = {}
    for each in declared_parameters(find_template(home, record.context.procedure)):
        value = record.context.parameters.get(each.name)
        if value not in (None, ""):
            given[each.name] = (
                "env:CANARY_PARAMETER" if each.is_secret else ADDRESS if "<email:" in str(value) else value
            )
    return given


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """This checkout's procedures, a target whose secrets are the known ones, and outputs of the test's own."""
    for name in ("notebooks",):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    settings = tmp_path / ".env.canary"
    settings.write_text("".join(f"{name}={json.dumps(value, ensure_ascii=False)}\n" for name, value in KNOWN.items()))
    settings.chmod(0o600)
    for name, value in {
        "RUNBOOK_HOME": str(tmp_path),
        "RUNBOOK_OUTPUTS": str(tmp_path / "outputs"),
        "RUNBOOK_TARGET": "canary",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "CANARY_PARAMETER": "parameter-of-a-user-9x8c7v6b5n",
    }.items():
        monkeypatch.setenv(name, value)
    return Home.find()


def run_cells(document: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each code cell of a notebook with the value of its last expression, as a kernel would show it."""
    names: dict[str, Any] = {}
    for cell in document["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        yield cell, None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def files_that_leak(procedure: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Run a procedure's notebook on planted answers; which of the files that were written, or the terminal, show which canary."""
    records = records_of(procedure)
    planter = Planter(records)

    class Planted(Observer):
        def _start(self, look: Look[Any]) -> Any:
            return super()._start(replace(look, fetch=lambda door: planter.answer(look)))

    monkeypatch.setattr(opening, "Observer", Planted)
    shown = StringIO()
    for record in records:
        path = write_working_copy(
            prepare(procedure, given_in(record, home), incident="INC-7", target="canary", active=True, home=home)
        )
        monkeypatch.setenv("JPY_SESSION_NAME", str(path))
        notebook = json.loads(path.read_bytes())
        with redirect_stdout(shown), redirect_stderr(shown):
            for cell, value in run_cells(notebook):
                cell["execution_count"] = 1
                data = {} if value is None else value._repr_mimebundle_()
                cell["outputs"] = [
                    {"output_type": "execute_result", "execution_count": 1, "data": data, "metadata": {}}
                ]
                print_result(repr(value))
            model = {"type": "notebook", "content": notebook}
            mask_before_save(home)(model=model)
            write_atomic(path, Masked(json.dumps(model["content"]).encode()))
            seal_after_save(home)(os_path=str(path), model=model)
    artifacts = [each for each in (home.outputs / "INC-7" / procedure).iterdir() if each.is_dir()]
    assert len(artifacts) == len(records)
    assert all(verify(folder).intact for folder in artifacts)

    written = {
        path: path.read_bytes() for path in home.root.rglob("*") if path.is_file() and path.name != ".env.canary"
    }
    written[Path("the terminal")] = shown.getvalue().encode()
    planted = [*dict.fromkeys(planter.planted), Canary("a parameter", "", ("parameter-of-a-user",))]
    leaked = {str(path): found for path, data in written.items() if (found := names_of_those_in(data, planted))}
    print(
        f"canaries in {procedure}: {len(planter.planted)} planted in {len(planter.channels)} channels, {len(leaked)} files leak"
    )
    assert set(canaries()) <= set(planted)
    return leaked


@pytest.mark.slow
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_no_canary_is_in_any_byte_that_is_written(procedure: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files_that_leak(procedure, home, monkeypatch) == {}


@pytest.mark.slow
def test_what_is_not_masked_is_found(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search can fail: without masking by name, canaries are in the record, the notebook, the report and on the terminal."""
    monkeypatch.setattr("runbook_lib.core.redact.mask_named", lambda data, *, is_json: data)
    leaked = {Path(path).name for path in files_that_leak("08_backup_restore", home, monkeypatch)}
    assert leaked >= {"observations.jsonl", "notebook.ipynb", "report.html", "the terminal"}
