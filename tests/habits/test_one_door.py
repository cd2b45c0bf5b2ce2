"""What is kept passes the masking door: files below outputs go through `write_atomic`, which takes masked bytes alone (mypy holds
that), and whatever else writes a file is named here with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "runbook_lib"
ROOMS = ("artifact", "cli", "core", "io", "judging", "procedures", "reading", "run", "settings", "show", "sources")

WRITING = {"write_text", "write_bytes", "copyfile", "copytree", "copy", "copy2", "move", "fdopen", "savefig", "to_csv"}
REASONS = {
    "artifact/files.py": "the door itself",
    "artifact/record.py": "appends a line that the redactor has just masked",
    "cli/audit_commands.py": "adds a table, made of masked verdicts, to a file that the user named",
    "cli/app.py": "writes to nowhere",
    "cli/streams.py": "standard streams",
    "io/clusters.py": "a scratch server's password and log, in a private folder that is gone with the look",
    "io/workspace.py": "the user's own record of rehearsals: one line of counts and times",
    "run/audits/record.py": "a lock without content",
    "run/context.py": "zeros that keep room for the end",
    "run/forked.py": "standard streams of a child",
    "run/kernels.py": "a kernel's connection file, in the private runtime folder",
    "run/lab/form.py": "a secret that was typed, in the private runtime folder, gone with the server",
    "run/opening.py": "copies observations of the same run, masked when they were made",
    "run/people.py": "this machine's key to pseudonyms and whom they stand for, in a folder of this user alone",
    "sources/recovery/restore_drill.py": "a list of a dump's tables, in a private folder that is gone with the look",
    "sources/recovery/table_copies.py": "a backup that the user asked for, into the folder that the user named",
}


def writes(tree: ast.Module) -> Iterator[int]:
    """The lines that open a file for writing, or hand one to something that does."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in WRITING and (name != "copy" or "shutil" in ast.unparse(node.func)):
            yield node.lineno
        elif name == "open":
            text = ast.unparse(node)
            modes = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            if "O_WRONLY" in text or "O_RDWR" in text or any(mode[0] in "wax" or "+" in mode for mode in modes if mode):
                yield node.lineno


def test_what_writes_a_file_is_known_and_has_a_reason() -> None:
    found = {
        path.relative_to(LIBRARY).as_posix()
        for room in ROOMS
        for path in (LIBRARY / room).rglob("*.py")
        if any(writes(ast.parse(path.read_text("utf-8"))))
    }
    assert found == set(REASONS)


def test_only_the_redactor_and_two_whole_forms_call_bytes_masked() -> None:
    """`Masked(…)` is a promise to the type checker; these are the places that may give it."""
    found = {
        path.relative_to(LIBRARY).as_posix()
        for path in LIBRARY.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Masked"
    }
    assert found == {"core/redact.py", "drills/kit/records.py", "run/lab/masking.py"}
