"""A database's trouble, on SQLite and on PostgreSQL: what it is to callers, and that nobody waits for ever."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import runtime.store
import sqlalchemy as sa
from google.protobuf.message import Message
from runtime.common.errors import (
    Aborted,
    DataLoss,
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    StatusError,
    Unavailable,
    to_status,
)
from runtime.service.deadline import deadline
from runtime.store import Database, Repository

from tests.postgresql import database_of

from .library import PATIENCE, Book, title

if TYPE_CHECKING:
    from tests.postgresql import PostgreSQL

HERE = Path(__file__).parent
TEMPLATES = Path(str(runtime.store.__file__)).parents[2]
WAIT = 0.3  # seconds that these databases let a call wait


@contextmanager
def opened(url: str, **options: object) -> Iterator[tuple[Database, Repository[Message]]]:
    given = {"migrate": True, "durable": False, "wait_seconds": WAIT, **options}
    database = Database(url, **given)  # type: ignore[arg-type]
    try:
        yield database, Repository(database, Book, table="books")
    finally:
        database.close()


@contextmanager
def caller_waits(seconds: float) -> Iterator[None]:
    token = deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        deadline.reset(token)


def refused(work: Callable[[], object], kind: type[StatusError], reason: str) -> float:
    """How many seconds it took to be refused so; nothing of the database's own may be told."""
    begun = time.monotonic()
    with pytest.raises(kind) as caught:
        work()
    took = time.monotonic() - begun
    assert caught.value.reason == reason
    told = str(to_status(caught.value, "library.v1.LibraryService")).lower()
    for leak in ("select", "insert", "begin", "books", "sqlite", "postgres", "psycopg", "/", "locked", "host"):
        assert leak not in told.replace("type.googleapis.com/", "").replace("library.v1", "")
    return took


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else who has changed the book and does not commit."""
    with opened(url, wait_seconds=PATIENCE) as (database, books), database.transaction():
        books.put("books/1", Book(title="theirs"))
        yield


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_a_lock_that_somebody_holds_makes_it_unavailable(url: str) -> None:
    with opened(url) as (_, books):
        books.put("books/1", Book(title="ours"))
        with locked(url):
            for write in (
                lambda: books.put("books/1", Book(title="more")),
                lambda: books.edit("books/1").__enter__(),
                lambda: books.delete("books/1"),
            ):
                assert WAIT * 0.9 < refused(write, Unavailable, "DATABASE_BUSY") < WAIT + PATIENCE
            assert books.get("books/1") == Book(title="ours")
        books.put("books/1", Book(title="after"))


def test_a_call_waits_no_longer_than_its_caller(url: str) -> None:
    with opened(url, wait_seconds=PATIENCE) as (_, books):
        books.put("books/1", Book())
        with locked(url), caller_waits(0.2):
            took = refused(lambda: books.put("books/1", Book()), DeadlineExceeded, "DEADLINE_EXCEEDED")
        assert took < 3
        with caller_waits(PATIENCE):
            books.put("books/1", Book())


def test_nothing_is_begun_for_a_caller_that_has_given_up(url: str) -> None:
    with opened(url) as (_, books), caller_waits(-0.01):
        for work in (lambda: books.get("books/1"), lambda: books.put("books/1", Book())):
            assert refused(work, DeadlineExceeded, "DEADLINE_EXCEEDED") < 1


@pytest.mark.parametrize("overflow", [0, 1])
def test_connections_that_are_all_in_use(url: str, overflow: int) -> None:
    with opened(url, connections=1, overflow=overflow) as (database, books), ThreadPoolExecutor(2) as pool:
        release = threading.Event()

        def hold() -> None:
            with database.reading():
                assert release.wait(PATIENCE)

        holding = [pool.submit(hold) for _ in range(1 + overflow)]
        time.sleep(0.1)
        try:
            assert refused(lambda: books.get("books/1"), Unavailable, "DATABASE_BUSY") < WAIT + PATIENCE
            with caller_waits(0.05):
                refused(lambda: books.get("books/1"), DeadlineExceeded, "DEADLINE_EXCEEDED")
        finally:
            release.set()
        for one in holding:
            one.result(PATIENCE)
        assert books.get("books/1") is None


def test_a_turn_to_write_that_does_not_come(tmp_path: Path) -> None:
    """SQLite: threads of one process wait in line."""
    with opened(f"sqlite:///{tmp_path}/books.db") as (database, books), ThreadPoolExecutor(1) as pool:

        def waiting() -> None:
            with caller_waits(0.05):
                refused(lambda: books.put("books/1", Book()), DeadlineExceeded, "DEADLINE_EXCEEDED")
            refused(lambda: books.put("books/1", Book()), Unavailable, "DATABASE_BUSY")

        with database.transaction():
            pool.submit(waiting).result(PATIENCE)


def test_a_short_wait_is_not_inherited_by_the_next_call(tmp_path: Path) -> None:
    """SQLite keeps the time to wait at the connection."""
    url = f"sqlite:///{tmp_path}/books.db"
    with opened(url, connections=1, wait_seconds=PATIENCE) as (_, books), ThreadPoolExecutor(1) as pool:
        with caller_waits(0.1):
            books.put("books/1", Book())
        with locked(url):
            writing = pool.submit(books.put, "books/1", Book(title="in the end"))
            time.sleep(0.3)
        writing.result(PATIENCE)
        assert books.get("books/1") == Book(title="in the end")


def test_a_table_that_is_locked_for_reading_too(postgresql: "PostgreSQL", postgresql_url: str) -> None:
    with opened(postgresql_url) as (_, books), postgresql.connect(database_of(postgresql_url)) as other:
        with other.transaction():
            other.execute("LOCK TABLE books IN ACCESS EXCLUSIVE MODE")
            assert refused(lambda: books.get("books/1"), Unavailable, "DATABASE_BUSY") < WAIT + PATIENCE
        assert books.get("books/1") is None


# --- writers at once --------------------------------------------------------------------------------------------------


def test_a_deadlock_is_an_error_for_one_and_the_other_goes_on(postgresql_url: str) -> None:
    """PostgreSQL finds it after a second (deadlock_timeout)."""
    with opened(postgresql_url, wait_seconds=PATIENCE) as (database, books), ThreadPoolExecutor(2) as pool:
        names = ["books/1", "books/2"]
        for name in names:
            books.put(name, Book(title="0"))
        barrier = threading.Barrier(2)

        def change(order: list[str]) -> type[BaseException] | None:
            try:
                with database.transaction():
                    for name in order:
                        with books.edit(name) as held:
                            assert held.message is not None
                            held.message = Book(title=str(int(title(held.message)) + 1))
                        if name == order[0]:
                            barrier.wait(PATIENCE)
            except Aborted as error:
                assert error.reason == "DATABASE_CONFLICT"
                return Aborted
            return None

        outcomes = [pool.submit(change, order) for order in (names, names[::-1])]
        assert {outcome.result(2 * PATIENCE) for outcome in outcomes} == {None, Aborted}
        assert [title(item) for item in books.list().items] == ["1", "1"]


def test_edits_of_a_name_that_is_not_there_yet_wait_for_each_other(postgresql_url: str) -> None:
    """There is no row to lock: two first edits must not both find nothing."""
    with opened(postgresql_url, wait_seconds=PATIENCE) as (_, books), ThreadPoolExecutor(8) as pool:
        barrier = threading.Barrier(8)

        def count(_: int) -> None:
            barrier.wait(PATIENCE)
            with books.edit("books/counter") as held:
                found = int(title(held.message)) if held.message else 0
                time.sleep(0.01)
                held.message = Book(title=str(found + 1))

        list(pool.map(count, range(8)))
        assert books.get("books/counter") == Book(title="8")


COUNT = f"""
import sys
sys.path[:0] = [{str(HERE)!r}, {str(TEMPLATES)!r}]
from library import Book, title
from runtime.store import Database, Repository

database = Database(sys.argv[1], durable=False, wait_seconds=30.0)
books = Repository(database, Book, table="books")
books.get("books/counter")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(100):
    with books.edit("books/counter") as held:
        held.message = Book(title=str(int(title(held.message)) + 1))
"""


def test_processes_lose_no_edit_of_each_other(url: str) -> None:
    with opened(url) as (_, books):
        books.put("books/counter", Book(title="0"))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        counting = [subprocess.Popen([sys.executable, "-c", COUNT, url], **pipes) for _ in range(4)]
        try:
            for process in counting:
                assert process.stdout.readline() == "ready\n"
            for process in counting:
                process.stdin.write("go\n")
                process.stdin.flush()
            ended = [process.communicate(timeout=60) for process in counting]
        finally:
            for process in counting:
                process.kill()
        assert ended == [("", "")] * 4
        assert books.get("books/counter") == Book(title="400")


# --- a database that is down ------------------------------------------------------------------------------------------


def test_a_server_that_goes_away_and_comes_back(postgresql: "PostgreSQL", postgresql_url: str) -> None:
    with opened(postgresql_url) as (_, books), ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: books.put(f"books/{number}", Book()), range(8)))
        postgresql.stop()
        try:
            for _ in range(3):
                for work in (lambda: books.get("books/1"), lambda: books.put("books/1", Book())):
                    assert refused(work, Unavailable, "DATABASE_UNAVAILABLE") < PATIENCE
        finally:
            postgresql.start()
        assert list(pool.map(lambda number: books.get(f"books/{number}"), range(8))) == [Book()] * 8


# Beyond the caller's deadline, or that of the database: for a connection to be given up, and another one to be tried.
MORE = 3.0


def test_a_server_that_stands_still_holds_nobody(postgresql: "PostgreSQL", postgresql_url: str) -> None:
    """statement_timeout is the server's to keep, and one that is frozen keeps nothing."""
    with opened(postgresql_url) as (_, books), ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: books.put(f"books/{number}", Book()), range(4)))
        with postgresql.frozen():
            for work in (lambda: books.get("books/1"), lambda: books.put("books/1", Book(title="lost"))):
                with caller_waits(0.2):
                    assert refused(work, DeadlineExceeded, "DEADLINE_EXCEEDED") < 0.2 + MORE
            assert refused(lambda: books.get("books/1"), Unavailable, "DATABASE_UNAVAILABLE") < PATIENCE
        assert list(pool.map(lambda number: books.get(f"books/{number}"), range(4))) == [Book()] * 4


def test_a_server_that_stands_still_in_the_middle_of_a_transaction(
    postgresql: "PostgreSQL", postgresql_url: str
) -> None:
    with opened(postgresql_url) as (database, books), caller_waits(0.5):

        def write() -> None:
            with database.transaction():
                books.put("books/1", Book())
                with postgresql.frozen():
                    books.put("books/2", Book())

        assert refused(write, DeadlineExceeded, "DEADLINE_EXCEEDED") < 0.5 + MORE
    with opened(postgresql_url) as (_, books):
        assert books.list().items == ()


def test_what_migrates_takes_its_time(postgresql_url: str) -> None:
    with closing(Database(postgresql_url, wait_seconds=0.1, migrate=True)) as database:
        with database._starting() as connection:
            connection.execute(sa.text("SELECT pg_sleep(0.8)"))
        begun = time.monotonic()
        with pytest.raises(Unavailable), database.reading() as connection:
            connection.execute(sa.text("SELECT pg_sleep(20)"))
        assert time.monotonic() - begun < PATIENCE


def test_connections_that_broke_while_idle_are_noticed(
    postgresql: "PostgreSQL", postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.store.engine._FRESH_SECONDS", 0.0)
    with opened(postgresql_url) as (_, books):
        books.put("books/1", Book())
        postgresql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{database_of(postgresql_url)}' AND pid <> pg_backend_pid()"
        )
        assert books.get("books/1") == Book()


def test_a_connection_that_breaks_in_a_transaction_leaves_nothing_of_it(
    postgresql: "PostgreSQL", postgresql_url: str
) -> None:
    with opened(postgresql_url) as (database, books):

        def write() -> None:
            with database.transaction() as connection:
                books.put("books/1", Book())
                pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
                postgresql.execute(f"SELECT pg_terminate_backend({pid}, 1000)")
                books.put("books/2", Book())

        refused(write, Unavailable, "DATABASE_UNAVAILABLE")
        assert books.list().items == ()
        books.put("books/1", Book())


def test_a_read_only_database_is_unavailable(postgresql: "PostgreSQL", postgresql_url: str) -> None:
    """As a standby is, when an address still leads to it."""
    with opened(postgresql_url) as (database, books):
        books.put("books/1", Book())
        postgresql.execute(f"ALTER DATABASE {database_of(postgresql_url)} SET default_transaction_read_only = on")
        database.close()
        refused(lambda: books.put("books/1", Book(title="new")), Unavailable, "DATABASE_UNAVAILABLE")
        assert books.get("books/1") == Book()


# --- a database that is full, or damaged ------------------------------------------------------------------------------


def test_a_full_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(f"sqlite:///{tmp_path}/books.db", connections=1) as (database, books):
        books.put("books/1", Book(title="small"))
        with database.reading() as connection:
            pages = connection.execute(sa.text("PRAGMA page_count")).scalar_one()
            connection.execute(sa.text(f"PRAGMA max_page_count = {pages}"))

        def fill() -> None:
            with database.transaction():
                books.put("books/1", Book(title="changed"))
                books.put("books/2", Book(title="x" * 100_000))

        refused(fill, ResourceExhausted, "DATABASE_FULL")
        assert "database is full" in caplog.text
        assert books.get("books/1") == Book(title="small")
        assert books.get("books/2") is None
        with database.reading() as connection:
            connection.execute(sa.text("PRAGMA max_page_count = 1000000"))
        fill()


def test_a_full_server(postgresql: "PostgreSQL", postgresql_url: str) -> None:
    """What PostgreSQL says when a file cannot grow."""
    with opened(postgresql_url) as (database, books):
        books.put("books/1", Book(title="small"))
        with database.reading() as connection:
            connection.execute(
                sa.text(
                    "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' "
                    "USING ERRCODE = 'disk_full'; END $$"
                )
            )
            connection.execute(sa.text("CREATE TRIGGER no_space BEFORE INSERT ON books EXECUTE FUNCTION no_space()"))
        refused(lambda: books.put("books/2", Book()), ResourceExhausted, "DATABASE_FULL")
        assert [title(item) for item in books.list().items] == ["small"]


def test_a_damaged_file(tmp_path: Path) -> None:
    file = tmp_path / "books.db"
    with opened(f"sqlite:///{file}") as (database, books):
        with database.transaction():
            for number in range(100):
                books.put(f"books/{number}", Book(title="x" * 1000))
        with database.reading() as connection:
            connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        database.close()
        with file.open("r+b") as data:
            data.seek(4096)
            data.write(b"\xff" * 4096 * 10)
        refused(lambda: books.list(1000), DataLoss, "DATABASE_DAMAGED")


# --- what callers send ------------------------------------------------------------------------------------------------


def test_a_name_with_a_character_that_postgresql_does_not_keep(postgresql_url: str) -> None:
    with opened(postgresql_url) as (_, books):
        for work in (lambda: books.get("books/\0"), lambda: books.put("books/\0", Book())):
            refused(work, InvalidArgument, "TEXT_NOT_STORABLE")
        books.put("books/1", Book(title="\0"))
        assert books.get("books/1") == Book(title="\0")


def test_a_bug_of_the_service_is_none_of_the_callers_business(url: str) -> None:
    with opened(url) as (database, _):
        for statement in ("SELECT nothing FROM nowhere", "INSERT INTO books (name) VALUES ('x')"):
            with pytest.raises(sa.exc.DBAPIError) as caught, database.transaction() as connection:
                connection.execute(sa.text(statement))
            assert to_status(caught.value, "x.Y").message == "internal error"


def test_values_are_not_in_the_text_of_errors(url: str) -> None:
    with opened(url) as (database, _), pytest.raises(sa.exc.DBAPIError) as caught, database.transaction() as connection:
        connection.execute(sa.text("INSERT INTO books (name) VALUES (:name)"), {"name": "a secret"})
    assert "'a secret'" not in str(caught.value)
    assert "hide_parameters" in str(caught.value)
