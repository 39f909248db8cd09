from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from appliance.storage.connection import StoreOpenError, connect
from appliance.storage.migrations import (
    Migration,
    migrate,
    shipped,
    statements,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from appliance.storage.store import BufferStore

    Opening: TypeAlias = Callable[..., AbstractAsyncContextManager[BufferStore]]

FIRST = Migration(1, "0001_first", "CREATE TABLE a (x);\nCREATE TABLE b (x);\n")
SECOND = Migration(2, "0002_second", "ALTER TABLE a ADD COLUMN y;\n")
BROKEN = Migration(2, "0002_broken", "ALTER TABLE a ADD COLUMN y;\nNONSENSE;\n")


def test_the_shipped_migrations_are_numbered_without_holes() -> None:
    versions = [step.version for step in shipped()]
    assert versions == list(range(1, len(versions) + 1))


def test_an_existing_database_is_backed_up_before_it_is_changed(path: Path) -> None:
    with closing(connect(path)) as connection:
        migrate(connection, path, migrations=[FIRST], now_ns=1)
        connection.execute("INSERT INTO a VALUES (7)")
        assert not list(path.parent.glob("*.bak"))
        assert migrate(connection, path, migrations=[FIRST, SECOND], now_ns=2) == 2
        assert connection.execute("SELECT x, y FROM a").fetchall() == [(7, None)]
    backup = path.with_name(f"{path.name}.v1.bak")
    with closing(connect(backup)) as connection:
        assert connection.execute("SELECT * FROM a").fetchall() == [(7,)]
        assert version_of(connection) == 1


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    with closing(connect(path)) as connection:
        migrate(connection, path, migrations=[FIRST], now_ns=1)
        with pytest.raises(sqlite3.Error):
            migrate(connection, path, migrations=[FIRST, BROKEN], now_ns=2)
        assert version_of(connection) == 1
        assert connection.execute("SELECT * FROM a").description is not None
        columns = connection.execute("PRAGMA table_info(a)").fetchall()
    assert [column[1] for column in columns] == ["x"]


def test_a_migration_that_is_done_is_not_done_again(path: Path) -> None:
    with closing(connect(path)) as connection:
        for _ in range(2):
            assert migrate(connection, path, migrations=[FIRST], now_ns=1) == 1


async def test_a_database_of_a_newer_release_is_refused(
    opened: Opening, path: Path
) -> None:
    async with opened():
        pass
    with closing(connect(path)) as connection:
        connection.execute("INSERT INTO schema VALUES (99, 'future', 0)")
    with pytest.raises(StoreOpenError, match="newer"):
        async with opened():
            pass


def test_statements_are_split_outside_of_texts() -> None:
    script = "CREATE TABLE a (x DEFAULT ';');\n-- a; remark\nCREATE TABLE b (x);\n"
    assert len(list(statements(script))) == 2


def test_a_migration_that_is_cut_short_at_any_step_is_done_at_the_next_start(
    path: Path,
) -> None:
    moments = path.parent.parent / f"{path.parent.name}-moments"
    moments.mkdir()

    class Observed(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:  # noqa: ANN401 - as its parent says
            number = len(list(moments.iterdir()))
            shutil.copytree(path.parent, moments / f"{number:03}")
            return super().execute(sql, parameters)

    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        migrate(connection, path, migrations=[FIRST], now_ns=1)
        connection.execute("INSERT INTO a VALUES (7)")
    with closing(sqlite3.connect(path, factory=Observed, isolation_level=None)) as seen:
        migrate(seen, path, migrations=[FIRST, SECOND], now_ns=2)
    taken = sorted(moments.iterdir())
    assert len(taken) > 8
    for moment in taken:
        with closing(connect(moment / path.name)) as connection:
            steps = [FIRST, SECOND]
            assert migrate(connection, path, migrations=steps, now_ns=3) == 2
            assert connection.execute("SELECT x, y FROM a").fetchall() == [(7, None)]
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_without_room_for_the_backup_nothing_is_migrated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(path.parent)._replace(free=1000)
    with closing(connect(path)) as connection:
        migrate(connection, path, migrations=[FIRST], now_ns=1)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _folder: full)
            with pytest.raises(StoreOpenError, match="make room"):
                migrate(connection, path, migrations=[FIRST, SECOND], now_ns=2)
        assert version_of(connection) == 1
        path.with_name(f".{path.name}.v1.bak.tmp").mkdir()
        with pytest.raises((StoreOpenError, OSError)):
            migrate(connection, path, migrations=[FIRST, SECOND], now_ns=2)
        assert version_of(connection) == 1
