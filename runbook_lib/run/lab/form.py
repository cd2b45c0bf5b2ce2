"""The start page's form: a procedure, its typed parameters, the incident, the target, and a button that opens a working copy.

Widgets are sugar: everything here is one line of Python or one command as well.
"""

import html
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ipywidgets as widgets
from IPython.display import HTML, Javascript, display

from runbook_lib.core.errors import RunbookError
from runbook_lib.run.home import Home
from runbook_lib.run.ids import default_incident
from runbook_lib.run.lab.server import SECRETS_VARIABLE
from runbook_lib.run.lab.working_copy import write_working_copy
from runbook_lib.run.notebooks import Template, templates
from runbook_lib.run.parameters import Parameter, declared_parameters
from runbook_lib.run.runner import prepare
from runbook_lib.run.targets import target_names

_WIDE = {"description_width": "10em"}
_BOX = widgets.Layout(width="42em")
# The link is what opens the notebook inside JupyterLab; the script only presses it.
_PRESS = "document.querySelectorAll('a.runbook-open').forEach((link, at, all) => { if (at === all.length - 1) link.click(); })"


class StartForm:
    """The form as one widget: `StartForm(home).widget`."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._templates = {f"{each.stem} · {each.title}": each for each in templates(home)}
        self._fields: dict[str, Any] = {}
        self._parameters: list[Parameter] = []
        self.procedure = widgets.Dropdown(
            options=list(self._templates), description="Procedure", layout=_BOX, style=_WIDE
        )
        self.incident = widgets.Text(value=default_incident(), description="Incident", layout=_BOX, style=_WIDE)
        self.target = widgets.Combobox(
            options=target_names(home, os.environ),
            description="Target",
            layout=_BOX,
            style=_WIDE,
            placeholder="the only one there is",
        )
        self.open = widgets.Button(
            description="Open", button_style="primary", tooltip="Write a working copy and open it"
        )
        self.message = widgets.Output()
        self._box = widgets.VBox()
        self.procedure.observe(lambda _: self._show(), names="value")
        self.open.on_click(lambda _: self._open())
        self._show()
        self.widget = widgets.VBox([self.procedure, self.incident, self.target, self._box, self.open, self.message])

    @property
    def template(self) -> Template:
        """The procedure that is chosen."""
        return self._templates[self.procedure.value]

    def _show(self) -> None:
        """Draw the fields of the chosen procedure's parameters."""
        self._parameters = declared_parameters(self.template)
        self._fields = {each.name: _field(each) for each in self._parameters}
        rows = [
            widgets.VBox([self._fields[each.name], widgets.HTML(f"<small>{html.escape(each.help)}</small>")])
            for each in self._parameters
        ]
        self._box.children = tuple(rows)

    def _open(self) -> None:
        """Check what was typed, write the working copy, show its link and press it."""
        self.message.clear_output()
        with self.message:
            try:
                given = {
                    each.name: text
                    for each in self._parameters
                    if (text := _typed(each, self._fields[each.name])) is not None
                }
                prepared = prepare(
                    self.template.stem,
                    given,
                    target=self.target.value.strip() or None,
                    incident=self.incident.value.strip(),
                )
                path = write_working_copy(prepared)
            except RunbookError as error:
                display(HTML(f'<p style="color:#d1453b"><strong>{html.escape(str(error))}</strong></p>'))  # type: ignore[no-untyped-call]
                return
            where = path.relative_to(self._home.outputs).as_posix()
            display(HTML(f'<a class="runbook-open" href="{html.escape(quote(where))}">Open {html.escape(where)}</a>'))  # type: ignore[no-untyped-call]
            display(Javascript(_PRESS))  # type: ignore[no-untyped-call]


def _field(parameter: Parameter) -> Any:
    """The widget for a parameter's type; every one holds text, for it is parsed by the declared type as on a command line."""
    common: dict[str, Any] = {"description": parameter.name, "layout": _BOX, "style": _WIDE}
    default = "" if parameter.default is None else parameter.default
    if parameter.is_secret:
        return widgets.Password(placeholder="the secret itself, or env:NAME, or file:PATH", **common)
    if parameter.kind is bool:
        return widgets.Checkbox(value=bool(default), indent=True, **common)
    if parameter.choices:
        options = [str(choice) for choice in parameter.choices]
        return widgets.Dropdown(
            options=options, value=str(default) if str(default) in options else options[0], **common
        )
    return widgets.Text(value=str(default), placeholder=parameter.annotation, **common)


def _typed(parameter: Parameter, field: Any) -> str | None:
    """What a field holds as the command line would have it; None where the default stands."""
    if parameter.kind is bool:
        return "true" if field.value else "false"
    text = str(field.value)
    if text == str("" if parameter.default is None else parameter.default):
        return None
    if parameter.is_secret and not text.startswith(("env:", "file:")):
        field.value = ""
        return _kept_secret(text)
    return text


def _kept_secret(value: str) -> str:
    """A reference to a typed secret: it lies in a file of this user alone, as long as the server runs."""
    folder = Path(os.environ[SECRETS_VARIABLE])
    path = folder / secrets.token_hex(8)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(value)
    return f"file:{path}"
