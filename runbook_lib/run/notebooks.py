"""The templates: which procedures there are, what their metadata says, and how a number or a name finds one."""

import hashlib
import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from runbook_lib.core.errors import NotebookError, UsageError
from runbook_lib.core.model import Json
from runbook_lib.run.home import Home


@dataclass(frozen=True)
class Template:
    """One notebook as it stands in the checkout: nothing in it has run."""

    stem: str
    path: Path
    title: str
    services: tuple[str, ...]
    minutes: int | None
    changes: str
    schedule: str | None
    document: Json
    sha256: str

    @property
    def number(self) -> str:
        """`03` of 03_supabase_rls."""
        return self.stem.partition("_")[0]

    @property
    def name(self) -> str:
        """`supabase_rls` of 03_supabase_rls."""
        return self.stem.partition("_")[2]

    def as_dict(self) -> dict[str, Json]:
        """What `list --json` says of it."""
        return {
            "procedure": self.stem,
            "number": self.number,
            "title": self.title,
            "services": list(self.services),
            "minutes": self.minutes,
            "changes": self.changes,
            "schedule": self.schedule,
        }


def tags(cell: Json) -> list[str]:
    """A cell's tags."""
    return [str(tag) for tag in cell.get("metadata", {}).get("tags", [])]


def source(cell: Json) -> str:
    """A cell's source as one text, whether the file holds it in lines or not."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def read_template(path: Path) -> Template:
    """A template from its file.

    Raises:
        NotebookError: the file is not a notebook.
    """
    try:
        content = path.read_bytes()
        document = json.loads(content)
        meta = document["metadata"].get("runbook", {})
        assert isinstance(document["cells"], list)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise NotebookError(
            "Cannot read the notebook",
            where=path.name,
            came_back=f"{type(error).__name__}: {error}"[:200],
            do_next="Restore it from git.",
        ) from error
    return Template(
        stem=path.stem,
        path=path,
        title=str(meta.get("title") or _first_heading(document) or path.stem),
        services=tuple(map(str, meta.get("services", ()))),
        minutes=meta.get("minutes"),
        changes=str(meta.get("changes", "nothing")),
        schedule=meta.get("schedule"),
        document=document,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def templates(home: Home) -> list[Template]:
    """Every procedure's template, by number."""
    return [read_template(path) for path in sorted(home.notebooks.glob("[0-9][0-9]_*.ipynb"))]


def find_template(home: Home, asked: str) -> Template:
    """The template that a number (`3`, `03`) or a name (`supabase_rls`, `03_supabase_rls`) means.

    Raises:
        UsageError: no procedure has this name; the nearest names are suggested.
    """
    paths = {path.stem: path for path in sorted(home.notebooks.glob("[0-9][0-9]_*.ipynb"))}
    wanted = asked.strip().removesuffix(".ipynb").replace("-", "_")
    number = wanted.zfill(2) if wanted.isdigit() else None
    for stem, path in paths.items():
        if wanted == stem or wanted == stem.partition("_")[2] or number == stem.partition("_")[0]:
            return read_template(path)
    names = list(paths) + [stem.partition("_")[2] for stem in paths]
    near = get_close_matches(wanted, names, n=1, cutoff=0.5)
    shown = asked if len(asked) <= 60 else asked[:57] + "…"
    raise UsageError(
        "There is no such procedure",
        where=repr(shown),
        came_back=f"known are {', '.join(paths) or 'none'}",
        do_next=f"Did you mean {near[0]}?" if near else "See `runbook list`.",
    )


def _first_heading(document: Json) -> str:
    for cell in document["cells"]:
        if cell.get("cell_type") == "markdown":
            for line in source(cell).splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return ""
