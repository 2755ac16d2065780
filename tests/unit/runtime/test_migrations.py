"""The version of a database's tables: what a start looks at, and what ``--migrate`` does about it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from google.protobuf.message import Message
from runtime.service.problems import StartError
from runtime.store import Database, Repository, schema
from runtime.store.engine import make_engines

from .library import PATIENCE, Book

PROGRAM = "python -m library"

# The tables of version 0.1, which did not say what version they were of.
FIRST = {
    "sqlite": """
        CREATE TABLE books (
            position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL, parent TEXT NOT NULL, etag TEXT NOT NULL, message BLOB NOT NULL,
            create_time DATETIME NOT NULL, update_time DATETIME NOT NULL,
            UNIQUE (name)
        )""",
    "postgresql": """
        CREATE TABLE books (
            position BIGSERIAL NOT NULL,
            name TEXT NOT NULL, parent TEXT NOT NULL, etag TEXT NOT NULL, message BYTEA NOT NULL,
            create_time TIMESTAMP WITH TIME ZONE NOT NULL, update_time TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (position), UNIQUE (name)
        )""",
}
FIRST_INDEX = "CREATE INDEX books_parent_position ON books (parent, position)"
FIRST_ROW = (
    "INSERT INTO books (name, parent, etag, message, create_time, update_time) "
    "VALUES ('books/1', '', 'e', :message, '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
)

REVISION = '''
"""A revision for tests."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before!r}


def upgrade() -> None:
    {body}
'''
ADD_COLUMN = 'for table in op.get_context().opts["tables"]:\n        op.add_column(table, sa.Column("extra", sa.Text))'


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """A way in for the test itself."""
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code whose layout has a second version, with a column more."""
    write(tmp_path / "layout", "0001", None, "pass")
    write(tmp_path / "layout", "0002", "0001", ADD_COLUMN)
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path / "layout")
    monkeypatch.setattr(schema, "REVISIONS", ("0001", "0002"))


def write(folder: Path, revision: str, before: str | None, body: str) -> None:
    (folder / "versions").mkdir(parents=True, exist_ok=True)
    text = REVISION.format(revision=revision, before=before, body=body)
    (folder / "versions" / f"r_{revision}.py").write_text(text)


def use(url: str, migrate: bool = False, table: str = "books") -> Message | None:
    """Start and stop a program that keeps books; the book that it finds."""
    database = Database(url, migrate=migrate, durable=False, wait_seconds=0.5, program=PROGRAM)
    try:
        return Repository(database, Book, table=table).get("books/1")
    finally:
        database.close()


def refusal(url: str, migrate: bool = False, table: str = "books") -> str:
    with pytest.raises(StartError) as caught:
        use(url, migrate, table)
    return str(caught.value)


def make_first(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(FIRST[engine.dialect.name]))
        connection.execute(sa.text(FIRST_INDEX))
        connection.execute(sa.text(FIRST_ROW), {"message": Book(title="old").SerializeToString()})


def version(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text("SELECT version_num FROM repositories_version")).scalars())


def snapshot(engine: sa.Engine) -> object:
    """Everything that a database's catalogue says about tables."""
    inspector = sa.inspect(engine)
    return {
        name: [column["name"] for column in inspector.get_columns(name)] for name in sorted(inspector.get_table_names())
    }


# --- starts and --migrate ---------------------------------------------------------------------------------------------


def test_an_empty_database_is_refused_left_alone_and_made(url: str, engine: sa.Engine) -> None:
    assert f'no table "books": make it with {PROGRAM} --migrate' in refusal(url)
    assert snapshot(engine) == {}
    for _ in range(2):
        assert use(url, migrate=True) is None
        assert version(engine) == [schema.REVISIONS[-1]]
    assert use(url) is None


def test_a_table_that_was_added_later(url: str) -> None:
    use(url, migrate=True)
    assert 'no table "others"' in refusal(url, table="others")
    use(url, migrate=True, table="others")
    use(url, table="others")


def test_tables_of_version_0_1_work_on(url: str, engine: sa.Engine) -> None:
    make_first(engine)
    assert '"request_ids": make it with' in refusal(url)  # a table that 0.1 did not have
    assert use(url, migrate=True) == Book(title="old")
    assert use(url) == Book(title="old")
    assert version(engine) == [schema.REVISIONS[-1]]


@pytest.mark.parametrize("recorded", [True, False])
def test_an_older_database_is_refused_left_alone_and_migrated(
    url: str, engine: sa.Engine, recorded: bool, request: pytest.FixtureRequest
) -> None:
    if recorded:
        use(url, migrate=True)
        use(url, migrate=True, table="others")
        with engine.begin() as connection:
            connection.execute(sa.text(FIRST_ROW), {"message": Book(title="old").SerializeToString()})
    else:
        make_first(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE not_ours (name TEXT)"))
    before = snapshot(engine)
    request.getfixturevalue("second")
    assert f"of version 0001, and this program's of 0002: bring them up to date with {PROGRAM} --migrate" in refusal(
        url
    )
    assert snapshot(engine) == before
    assert use(url, migrate=True) == Book(title="old")
    assert version(engine) == ["0002"]
    columns = snapshot(engine)
    assert isinstance(columns, dict)
    assert "extra" in columns["books"]
    assert columns["not_ours"] == ["name"]
    if recorded:  # a resource that this program does not use is not left behind
        assert "extra" in columns["others"]
    assert use(url) == Book(title="old")


def test_a_newer_database_is_refused_by_all(url: str, engine: sa.Engine) -> None:
    use(url, migrate=True)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE repositories_version SET version_num = '9999'"))
    before = snapshot(engine)
    for migrate in (False, True):
        said = refusal(url, migrate)
        assert "of version 9999" in said
        assert "a newer program made them" in said
    assert (snapshot(engine), version(engine)) == (before, ["9999"])


def test_a_table_of_something_else_is_refused(url: str, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE books (name TEXT, parent TEXT, position INTEGER)"))
    for migrate in (False, True):
        assert 'table "books" has no column' in refusal(url, migrate)
    assert snapshot(engine) == {"books": ["name", "parent", "position"]}


@pytest.mark.usefixtures("second")
def test_a_migration_that_fails_leaves_nothing(url: str, engine: sa.Engine, tmp_path: Path) -> None:
    make_first(engine)
    before = snapshot(engine)
    write(tmp_path / "layout", "0002", "0001", f'{ADD_COLUMN}\n    op.execute("UPDATE nowhere SET x = 1")')
    assert "cannot be used" in refusal(url, migrate=True)
    assert snapshot(engine) == before


def test_many_start_on_an_empty_database_at_once(url: str, engine: sa.Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        for started in [pool.submit(use, url, True) for _ in range(4)]:
            started.result(PATIENCE)
    assert version(engine) == [schema.REVISIONS[-1]]


def test_many_connect_to_a_new_file_at_once(tmp_path: Path) -> None:
    """SQLite refuses the change to WAL at once where another connection makes it too: one time in sixty, of eight."""
    for round_ in range(60):
        url, barrier = f"sqlite:///{tmp_path}/{round_}.db", threading.Barrier(8)

        def connect(url: str = url, barrier: threading.Barrier = barrier) -> None:
            engine = make_engines(url, 1, 0, PATIENCE, durable=False).reads
            barrier.wait(PATIENCE)
            with engine.connect() as connection:
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            engine.dispose()

        with ThreadPoolExecutor(8) as pool:
            for connected in [pool.submit(connect) for _ in range(8)]:
                connected.result(PATIENCE * 2)


def test_a_migration_does_not_wait_for_ever(postgresql_url: str) -> None:
    """On PostgreSQL it would hold up everybody who comes after."""
    engine = sa.create_engine(postgresql_url)
    make_first(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE books IN ACCESS EXCLUSIVE MODE"))
        assert "lock timeout" in refusal(postgresql_url, migrate=True)
    engine.dispose()


# --- the revisions ----------------------------------------------------------------------------------------------------


def test_the_revisions_are_those_in_the_folder() -> None:
    script = ScriptDirectory(str(schema.MIGRATIONS))
    assert [found.revision for found in script.walk_revisions()] == list(reversed(schema.REVISIONS))
    assert all(len(revision) <= 32 for revision in schema.REVISIONS)


def test_migrating_leads_to_what_repositories_make(url: str, engine: sa.Engine) -> None:
    """Red when the layout in repository.py changes without a revision in migrations/versions."""
    make_first(engine)
    use(url, migrate=True)
    database = Database("sqlite://", migrate=True)
    Repository(database, Book, table="books")
    with engine.connect() as connection:
        options = {"include_object": lambda _, name, kind, *__: kind != "table" or name == "books"}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, database.metadata) == []
    database.close()


# --- a schema of one's own --------------------------------------------------------------------------------------------


def test_migrations_of_ones_own(url: str, engine: sa.Engine, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    write(folder, "a1", None, 'op.create_table("shelf", sa.Column("id", sa.Text, primary_key=True))')

    def start(migrate: bool = False) -> None:
        database = Database(url, migrate=migrate, durable=False, program=PROGRAM)
        try:
            database.use_migrations(folder)
        finally:
            database.close()

    with pytest.raises(StartError, match=f"not at revision a1: bring it there with {PROGRAM} --migrate"):
        start()
    assert snapshot(engine) == {}
    start(migrate=True)
    start()
    write(folder, "b2", "a1", 'op.add_column("shelf", sa.Column("room", sa.Text))')
    with pytest.raises(StartError, match="not at revision b2"):
        start()
    start(migrate=True)
    start()
    assert snapshot(engine) == {"alembic_version": ["version_num"], "shelf": ["id", "room"]}
    (folder / "versions" / "r_b2.py").unlink()
    for migrate in (False, True):
        with pytest.raises(StartError, match=r"at revision b2, which is not in .*migrations: a newer program made it"):
            start(migrate)
