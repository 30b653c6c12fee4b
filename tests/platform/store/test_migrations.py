"""The migrations lead to the schema, from an empty file and from themselves."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Table, UniqueConstraint, create_mock_engine, inspect

from nenghao.platform.store.engine import MIGRATIONS, Store
from nenghao.platform.store.schema import metadata

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
REFERENCE_TABLES = {
    *("platform_state", "unit", "certificate", "dictionary_row", "audit"),
    *("exchange_account", "exchange_key", "exchange_nonce", "exchange_count"),
    *("roll_up", "coefficient", "project"),
    *("enrolment", "issuer", "outside_revocation"),
    *("operator", "operator_session", "audit_link"),
    *("uplink_lease", "province"),
    *("base_data_draft", "base_data_change", "coefficient_change"),
}


def test_an_upgraded_empty_file_is_the_schema(store: Store) -> None:
    with store.read() as conn:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_keys_and_table_options_are_those_of_the_schema(store: Store) -> None:
    with store.read() as conn:
        inspector = inspect(conn)
        for table in metadata.sorted_tables:
            key = inspector.get_pk_constraint(table.name)["constrained_columns"]
            assert key == [column.name for column in table.primary_key], table.name


@SQLITE
def test_frames_are_kept_in_the_order_of_their_key(store: Store) -> None:
    with store.read() as conn:
        sql = conn.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'frame'").scalar()
    assert "WITHOUT ROWID" in str(sql)


def test_on_postgresql_the_migrations_say_what_the_schema_says() -> None:
    """Comments and column types that SQLite forgets included."""
    migrated = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": migrated}
    )
    scripts = _scripts()
    with Operations.context(context):
        for script in reversed(list(scripts.walk_revisions())):
            upgrade: Callable[[], None] = script.module.upgrade
            upgrade()
    made: list[str] = []

    def take(sql: Any, *_: Any, **__: Any) -> None:
        made.append(" ".join(str(sql.compile(dialect=engine.dialect)).split()))

    engine = create_mock_engine("postgresql+psycopg://", take)
    metadata.create_all(engine, checkfirst=False)
    statements = [" ".join(one.split()) for one in migrated.getvalue().split(";\n")]
    assert len(made) > len(metadata.sorted_tables)
    assert sorted(filter(None, statements)) == sorted(made)


@SQLITE
def test_an_upgrade_of_an_upgraded_file_changes_nothing(store: Store) -> None:
    with store.read() as conn:
        before = conn.exec_driver_sql("PRAGMA schema_version").scalar()
    store.upgrade()
    with store.read() as conn:
        assert conn.exec_driver_sql("PRAGMA schema_version").scalar() == before


def test_the_database_knows_its_revision(store: Store) -> None:
    with store.read() as conn:
        assert MigrationContext.configure(conn).get_current_revision() == _head()


def test_every_revision_follows_one_other(store: Store) -> None:
    scripts = _scripts()
    assert scripts.get_bases() == ["0001"]
    assert len(scripts.get_heads()) == 1


def test_an_upgrade_leaves_logging_as_it_is(database: str) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("sqlalchemy").disabled)
    store = Store.open(database)
    store.upgrade()
    store.close()
    assert (root.level, list(root.handlers), logging.getLogger("sqlalchemy").disabled) == before


def test_the_unit_stands_in_every_key_of_every_large_table() -> None:
    large = [table for table in metadata.sorted_tables if table.name not in REFERENCE_TABLES]
    assert len(large) >= 8
    for table in large:
        for name, columns in _unique_keys(table):
            assert "unit_id" in columns, f"{table.name}: {name}"


def _unique_keys(table: Table) -> list[tuple[str, list[str]]]:
    keys = [("primary key", [column.name for column in table.primary_key])]
    keys += [
        (str(constraint.name), [column.name for column in constraint.columns])
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    keys += [
        (str(index.name), [column.name for column in index.columns])
        for index in table.indexes
        if index.unique
    ]
    return keys


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    return ScriptDirectory.from_config(config)


def _head() -> str:
    head = _scripts().get_current_head()
    assert head is not None
    return head
