"""What an engineer does in JupyterLab, in a real browser: open, run all, look again, conclude, save; an artifact is left."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runbook_lib.artifact.verify import verify
from tests.browser.conftest import CODE, Bench, Desk, Incident, until

AGAIN = "read_the_logs"


def _concluded(bench: Bench, times: int) -> bool:
    """Whether a run has concluded after so many looks at the step that is run again."""
    return any(each["state"] == "concluded" and each["executed"].count(AGAIN) == times for each in bench.records())


def _save(desk: Desk, bench: Bench) -> Path:
    """Save, and return the one artifact that this leaves."""
    desk.save()
    (folder,) = until(bench.sealed, "the artifact, after saving")
    return folder


def _verdict(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "verdict.json").read_bytes())


def test_an_opened_notebook_is_run_stepped_through_again_concluded_and_kept(
    bench: Bench, incident: Incident, sit_down: Callable[..., Desk]
) -> None:
    desk = sit_down("open", "01", "-p", f"request_id={incident.request_id}", "--incident", "INC-7")
    desk.ready()
    desk.run_all()
    shown = desk.cell("run.conclude()").locator(".jp-OutputArea-output", has_text=CODE)
    shown.first.wait_for()
    assert _concluded(bench, 1)
    assert not bench.sealed(), "nothing is sealed before it is saved"

    desk.run(f"run.{AGAIN}()")
    until(lambda: any(each["executed"].count(AGAIN) == 2 for each in bench.records()), "the step that ran again")
    desk.run("run.conclude()")
    until(lambda: _concluded(bench, 2), "the second conclusion")
    desk.ready()
    shown.first.wait_for()

    folder = _save(desk, bench)
    assert folder.parent == bench.outputs / "INC-7" / "01_failed_request"
    assert verify(folder).intact
    assert bench.runbook("verify", str(folder)).returncode == 0
    verdict = _verdict(folder)
    assert [cause["code"] for cause in verdict["causes"]] == [CODE]
    assert verdict["parameters"]["request_id"] == incident.request_id
    replayed = bench.runbook("replay", str(folder))
    assert replayed.returncode == 1, "as the run itself: confirmed, and the same verdict"


def test_the_start_page_opens_a_procedure_and_keeps_the_engineers_own_cell(
    bench: Bench, incident: Incident, sit_down: Callable[..., Desk]
) -> None:
    desk = sit_down("lab")

    def field(name: str) -> Any:
        label = desk.page.locator(".widget-label", has_text=re.compile(rf"^{name}$"))
        return desk.front.locator(".jupyter-widgets.widget-inline-hbox").filter(has=label)

    choice = field("Procedure").locator("select")
    choice.wait_for()
    (wanted,) = [text for text in choice.locator("option").all_inner_texts() if text.startswith("01_failed_request")]
    choice.select_option(label=wanted)
    field("Incident").locator("input").fill("INC-8")
    field("request_id").locator("input").fill(incident.request_id)
    field("request_id").locator("input").press("Tab")
    desk.front.get_by_role("button", name="Open", exact=True).click()

    desk.cell("run.conclude()").wait_for()
    desk.ready()
    desk.add_below(f"run.{AGAIN}()", "print('seen' + ' by hand')")
    desk.front.locator(".jp-OutputArea-output", has_text="seen by hand").wait_for()
    desk.run_all()
    until(lambda: _concluded(bench, 1), "the conclusion")
    desk.cell("run.conclude()").locator(".jp-OutputArea-output", has_text=CODE).first.wait_for()
    desk.ready()

    folder = _save(desk, bench)
    assert folder.parent == bench.outputs / "INC-8" / "01_failed_request"
    assert verify(folder).intact
    assert [cause["code"] for cause in _verdict(folder)["causes"]] == [CODE]
    assert _verdict(folder)["parameters"]["request_id"] == incident.request_id
    cells = json.loads((folder / "notebook.ipynb").read_bytes())["cells"]
    (own,) = [cell for cell in cells if "by hand" in "".join(cell["source"])]
    assert "seen by hand" in json.dumps(own["outputs"])
    assert "seen by hand" in (folder / "report.html").read_text()
