"""Which system is meant: said, or the only one there is; never a guess between two."""

from pathlib import Path

import pytest

from runbook_lib.core.errors import ConfigError, UsageError
from runbook_lib.run.home import Home
from runbook_lib.run.targets import refuse_unconfigured, resolve_target, target_names
from runbook_lib.sandbox.home import Home as Sandbox


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RUNBOOK_SANDBOX_HOME", str(tmp_path / "no-sandboxes"))
    return Home(tmp_path, tmp_path / "outputs")


def write(home: Home, name: str, text: str, mode: int = 0o600) -> Path:
    path = home.root / name
    path.write_text(text)
    path.chmod(mode)
    return path


def sandbox(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "sandbox.env"
    path.write_text("RUNBOOK_WEB_URL=http://127.0.0.1:1\n")
    return {"RUNBOOK_SANDBOX": str(path)}


def test_with_nothing_there_it_says_what_to_do(home: Home) -> None:
    with pytest.raises(UsageError, match="sandbox up"):
        resolve_target(home, environ={})


def test_the_only_one_there_is_needs_no_name(home: Home, tmp_path: Path) -> None:
    assert resolve_target(home, environ=sandbox(tmp_path)).name == "sandbox"
    assert resolve_target(home, environ={"RUNBOOK_TEMPO_URL": "http://t"}).name == "live"
    write(home, ".env.staging", "RUNBOOK_TEMPO_URL=http://staging\n")
    staging = resolve_target(home, environ={})
    assert (staging.name, staging.settings.tempo_url) == ("staging", "http://staging")


def test_a_target_knows_where_each_of_its_variables_stands_and_nothing_of_what_is_not_its_own(home: Home) -> None:
    write(home, ".env", "OPENAI_API_KEY=of-the-file\nNEXT_PUBLIC_NEW=1\n")
    environ = {"OPENAI_API_KEY": "of-the-shell", "NEXT_PUBLIC_OTHER": "2", "HOME": "/home/somebody", "PATH": "/bin"}
    settings = resolve_target(home, "live", environ).settings
    assert settings.places == {
        ".env": {"OPENAI_API_KEY": "of-the-file", "NEXT_PUBLIC_NEW": "1"},
        "environment": {"OPENAI_API_KEY": "of-the-shell", "NEXT_PUBLIC_OTHER": "2"},
    }
    write(home, ".env.staging", "OPENAI_API_KEY=of-staging\n")
    assert resolve_target(home, "staging", environ).settings.places == {
        ".env.staging": {"OPENAI_API_KEY": "of-staging"}
    }


def test_a_sandbox_and_live_settings_make_it_ask(home: Home, tmp_path: Path) -> None:
    write(home, ".env", "RUNBOOK_TEMPO_URL=http://live\n")
    with pytest.raises(UsageError, match="Which system is meant"):
        resolve_target(home, environ=sandbox(tmp_path))
    assert resolve_target(home, "live", sandbox(tmp_path)).settings.tempo_url == "http://live"
    assert resolve_target(home, "sandbox", sandbox(tmp_path)).settings.web_url == "http://127.0.0.1:1"


def test_what_is_said_wins_over_the_variable_and_the_variable_over_the_file(home: Home, tmp_path: Path) -> None:
    write(home, ".env", "RUNBOOK_TARGET=live\nRUNBOOK_TEMPO_URL=http://live\n")
    write(home, ".env.staging", "RUNBOOK_TEMPO_URL=http://staging\n")
    environ = sandbox(tmp_path)
    assert resolve_target(home, environ=environ).name == "live"
    assert resolve_target(home, environ={**environ, "RUNBOOK_TARGET": "staging"}).name == "staging"
    assert resolve_target(home, "sandbox", {**environ, "RUNBOOK_TARGET": "staging"}).name == "sandbox"


def test_a_named_target_reads_its_own_file_alone(home: Home) -> None:
    write(home, ".env", "RUNBOOK_VERCEL_TOKEN=of-the-live-system\n")
    write(home, ".env.staging", "RUNBOOK_TEMPO_URL=http://staging\n")
    found = resolve_target(home, "staging", {"RUNBOOK_RAILWAY_TOKEN": "of-the-environment"})
    assert found.settings.vercel_token is None
    assert found.settings.railway_token is None


@pytest.mark.parametrize("name", ["../etc", "", "no such", "stagign", "example", "a/b", "x" * 100])
def test_an_unknown_target_is_refused(home: Home, name: str) -> None:
    write(home, ".env.staging", "RUNBOOK_TEMPO_URL=http://staging\n")
    write(home, ".env.example", "RUNBOOK_TEMPO_URL=http://example\n")
    if not name:
        assert resolve_target(home, name, {}).name == "staging"
        return
    with pytest.raises(UsageError, match="no such target"):
        resolve_target(home, name, {})


def test_a_mistyped_target_is_answered_with_the_nearest(home: Home) -> None:
    write(home, ".env.staging", "RUNBOOK_TEMPO_URL=http://staging\n")
    with pytest.raises(UsageError, match="Did you mean staging"):
        resolve_target(home, "stagign", {})


def test_a_bad_line_in_a_settings_file_is_named_by_its_number_and_not_shown(home: Home) -> None:
    write(home, ".env", "RUNBOOK_TEMPO_URL=http://live\nsecret-without-a-name\n")
    with pytest.raises(ConfigError, match="line 2") as refused:
        resolve_target(home, "live", {})
    assert "secret-without-a-name" not in str(refused.value)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_settings_file_that_others_can_read_is_warned_about(home: Home, mode: int, warned: bool) -> None:
    write(home, ".env.staging", "RUNBOOK_TEMPO_URL=http://staging\n", mode)
    warnings = resolve_target(home, "staging", {}).warnings
    assert bool(warnings) is warned
    assert all("chmod 600" in warning for warning in warnings)


def test_a_sandbox_that_went_away_is_no_traceback(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sandbox"):
        resolve_target(home, "sandbox", {"RUNBOOK_SANDBOX": str(tmp_path / "gone" / "sandbox.env")})
    with pytest.raises(UsageError, match="No sandbox is up"):
        resolve_target(home, "sandbox", {})


def test_with_several_sandboxes_up_it_asks_only_when_one_of_them_is_meant(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def up(*names: str) -> None:
        found = []
        for name in names:
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            (folder / "sandbox.env").write_text(f"RUNBOOK_WEB_URL=http://{name}\n")
            (folder / "state.json").write_text("{}")
            found.append(type("Up", (Sandbox,), {"is_alive": lambda _: True})(name, folder))
        monkeypatch.setattr("runbook_lib.sandbox.home.homes", lambda: found)

    up("one", "two")
    assert target_names(home, {}) == ["sandbox"]
    with pytest.raises(UsageError, match="one, two"):
        resolve_target(home, environ={})
    assert resolve_target(home, environ={"RUNBOOK_SANDBOX": "two"}).settings.web_url == "http://two"
    with pytest.raises(UsageError, match="No sandbox is up"):
        resolve_target(home, "sandbox", {"RUNBOOK_SANDBOX": "three"})
    write(home, ".env.staging", "RUNBOOK_TEMPO_URL=http://staging\n")
    assert resolve_target(home, "staging", {}).name == "staging"
    up("one", "default")
    assert resolve_target(home, "sandbox", {}).settings.web_url == "http://default"


def test_a_live_system_of_which_nothing_is_known_is_not_judged_by_defaults(home: Home) -> None:
    for environ in ({}, {"RUNBOOK_TRACE_DELAY_S": "5"}):
        with pytest.raises(UsageError, match=r"no live system.*\.env\.example"):
            refuse_unconfigured(home, resolve_target(home, "live", environ), environ)
    one = {"RUNBOOK_TEMPO_URL": "http://t"}
    refuse_unconfigured(home, resolve_target(home, "live", one), one)
    write(home, ".env.staging", "")
    refuse_unconfigured(home, resolve_target(home, "staging", {}), {})
