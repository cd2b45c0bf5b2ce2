"""Draws the pictures of docs/pictures from the committed example: `make pictures`, after outputs/example was made anew.

report.png         the top of report.html on a desk
report-phone.png   the same on a phone of 390 pixels
notebook.png       the executed notebook, from its second step on

Needs Playwright and the system's Chromium. Nothing is fetched: pages are read from files, and the browser is kept offline.
"""

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from nbconvert import HTMLExporter
from playwright.sync_api import Browser, FloatRect, Page, ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "outputs" / "example"
PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 250_000
SCALES = (2.0, 1.5, 1.0)  # pixels of the picture for one of the page: the sharpest that is small enough
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
]


@dataclass(frozen=True)
class Shot:
    """A picture to take: `height` pixels of a page that is `width` wide, from an element on (from the top without one)."""

    name: str
    page: Path
    width: int
    height: int
    begins_at: str = ""


def artifact() -> Path:
    """The folder of the committed example's run. Ends the program where there is not exactly one."""
    found = sorted(path.parent for path in EXAMPLE.glob("*/*/manifest.sha256"))
    if len(found) != 1:
        sys.exit(f"outputs/example holds {len(found)} whole runs; the pictures show one. Make the example anew.")
    return found[0]


def chromium() -> str:
    """The system's Chromium. Ends the program where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or sys.exit("The pictures need Chromium, and PATH has none: apt-get install chromium")


def notebook_page(notebook: Path, folder: Path) -> Path:
    """The notebook as JupyterLab shows it, in one HTML file in the folder."""
    page, _ = HTMLExporter(template_name="lab").from_filename(str(notebook))
    written = folder / "notebook.html"
    written.write_text(page, "utf-8")
    return written


def take(browser: Browser, shot: Shot) -> Path:
    """Take a picture, as sharp as it may be. Ends the program where even the coarsest is too large."""
    path = PICTURES / f"{shot.name}.png"
    for scale in SCALES:
        viewport = ViewportSize(width=shot.width, height=shot.height)
        context = browser.new_context(viewport=viewport, device_scale_factor=scale, color_scheme="light", offline=True)
        page = context.new_page()
        page.goto(shot.page.as_uri(), wait_until="domcontentloaded")
        page.screenshot(path=path, clip=_clip(page, shot), full_page=True)
        context.close()
        if path.stat().st_size <= MOST_BYTES:
            return path
    return sys.exit(f"{path.name} is larger than {MOST_BYTES // 1000} kB: show less of the page.")


def _clip(page: Page, shot: Shot) -> FloatRect:
    """The part of the page that is shown; never more than there is of it."""
    top = 0.0
    if shot.begins_at:
        box = page.locator(shot.begins_at).first.bounding_box()
        top = box["y"] - 12 if box else 0.0
    whole = page.evaluate("document.documentElement.scrollHeight")
    return FloatRect(x=0, y=top, width=shot.width, height=min(shot.height, whole - top))


def main() -> None:
    """Take every picture, and say how large each is."""
    run = artifact()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        notebook = notebook_page(run / "notebook.ipynb", Path(folder))
        for shot in (
            Shot("report", run / "report.html", 1100, 730),
            Shot("report-phone", run / "report.html", 390, 844),
            Shot("notebook", notebook, 1100, 820, begins_at="h2:has-text('Step 2')"),
        ):
            path = take(browser, shot)
            print(f"wrote {path.relative_to(ROOT)}, {path.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
