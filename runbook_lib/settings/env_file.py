"""Files of variables: `.env` and its like, read strictly."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dotenv.main import DotEnv
from dotenv.parser import parse_stream

from runbook_lib.core.errors import ConfigError


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file.

    Raises:
        ConfigError: it cannot be read, or a line of it is no assignment (the line's number is named, not its text).
    """
    try:
        with path.open(encoding="utf-8") as stream:
            for binding in parse_stream(stream):
                if binding.error or (binding.key is not None and binding.value is None):
                    raise ConfigError(
                        "Cannot read a line",
                        where=f"{path.name} line {binding.original.line}",
                        came_back="it is no NAME=value",
                        do_next="Correct or remove that line; quote values that hold spaces or #.",
                    )
        values = DotEnv(path, interpolate=False, encoding="utf-8").dict()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "Cannot read the settings file",
            where=path.name,
            came_back=type(error).__name__,
            do_next="Check that it is a UTF-8 text file that you may read.",
        ) from error
    return {name: value for name, value in values.items() if value is not None}


def readable_by_others(path: Path) -> bool:
    """Whether a file of secrets can be read by users other than its owner."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def live_variables(root: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What target `live` is read from: `.env` in `root`, overridden by the environment."""
    env_file = root / ".env"
    from_file = read_env_file(env_file) if env_file.exists() else {}
    return {
        **from_file,
        **{k: v for k, v in (os.environ if environ is None else environ).items() if v.strip()},
    }
