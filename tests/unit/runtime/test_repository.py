"""Repositories, on SQLite and on PostgreSQL: rows, pages, edits, many threads at once."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path

import pytest
import sqlalchemy as sa
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from runtime.common.errors import AlreadyExists, InvalidArgument, StatusError, Unavailable
from runtime.common.names import ResourceName
from runtime.common.tracing import Span, Tracing
from runtime.service.problems import SettingsError, StartError
from runtime.store import Database, Repository
from runtime.store import repository as repository_module
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from .library import PATIENCE, Book, NewerBook, title


class BookName(ResourceName):
    pattern = "books/{book}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url, migrate=True, durable=False)
    yield database
    database.close()


@pytest.fixture
def books(database: Database) -> Repository[Message]:
    return Repository(database, Book, table="books")


def book(text: str) -> Message:
    return Book(title=text)


def violated(error: StatusError) -> list[str]:
    (bad,) = [detail for detail in error.details if isinstance(detail, error_details_pb2.BadRequest)]
    return [violation.field for violation in bad.field_violations]


def titles(found: Iterable[Message]) -> list[str]:
    return [title(item) for item in found]


def test_a_resource_is_kept_and_found(books: Repository[Message]) -> None:
    assert books.get("books/1") is None
    books.add("books/1", book("one"))
    assert books.get("books/1") == book("one")
    assert books.get(BookName("1")) == book("one")


def test_adding_twice_is_refused_and_changes_nothing(books: Repository[Message]) -> None:
    books.add("books/1", book("one"))
    with pytest.raises(AlreadyExists, match='"books/1" already exists'):
        books.add(BookName("1"), book("two"))
    assert books.get("books/1") == book("one")


def test_put_keeps_new_and_old(books: Repository[Message]) -> None:
    books.put("books/1", book("one"))
    books.put("books/2", book("two"))
    books.put("books/1", book("uno"))
    assert titles(books.list().items) == ["uno", "two"]


def test_delete(books: Repository[Message]) -> None:
    books.add("books/1", book("one"))
    assert books.delete("books/1") is True
    assert books.get("books/1") is None
    assert books.delete(BookName("1")) is False


def test_get_many_keeps_order_repetitions_and_gaps(books: Repository[Message]) -> None:
    for number in range(3):
        books.add(f"books/{number}", book(str(number)))
    found = books.get_many(["books/2", BookName("0"), "books/none", "books/2"])
    assert found == (book("2"), book("0"), None, book("2"))
    assert books.get_many([]) == ()


def test_get_many_of_very_many(books: Repository[Message]) -> None:
    books.add("books/1999", book("last"))
    found = books.get_many([f"books/{number}" for number in range(2000)])
    assert [item is not None for item in found] == [False] * 1999 + [True]


def test_a_message_of_another_type_is_refused(books: Repository[Message]) -> None:
    with pytest.raises(TypeError, match="books keeps Book"):
        books.add("books/1", NewerBook(title="x"))
    assert books.get("books/1") is None


# --- lists ------------------------------------------------------------------------------------------------------------


def walk(books: Repository[Message], size: int, parent: str = "") -> list[list[str]]:
    pages, token = [], ""
    while True:
        page = books.list(size, token, parent)
        pages.append(titles(page.items))
        token = page.next_page_token
        if not token:
            return pages


@pytest.mark.parametrize(("size", "lengths"), [(1, [1] * 6), (2, [2, 2, 2]), (4, [4, 2]), (6, [6]), (7, [6])])
def test_pages_are_complete_in_the_order_of_creation(books: Repository[Message], size: int, lengths: list[int]) -> None:
    created = ["f", "a", "e", "b", "d", "c"]
    for text in created:
        books.add(f"books/{text}", book(text))
    pages = walk(books, size)
    assert [len(page) for page in pages] == lengths
    assert list(chain(*pages)) == created


def test_an_empty_list(books: Repository[Message]) -> None:
    page = books.list()
    assert (page.items, page.next_page_token) == ((), "")


def test_page_sizes(books: Repository[Message], database: Database) -> None:
    with database.transaction():
        for number in range(1001):
            books.add(f"books/{number}", book(str(number)))
    assert len(books.list().items) == 50
    assert len(books.list(1000).items) == 1000
    assert len(books.list(2**31 - 1).items) == 1000
    with pytest.raises(InvalidArgument) as caught:
        books.list(-1)
    assert violated(caught.value) == ["page_size"]


def test_the_size_may_change_from_page_to_page_and_rows_may_come_and_go(books: Repository[Message]) -> None:
    for number in range(6):
        books.add(f"books/{number}", book(str(number)))
    first = books.list(2)
    books.delete("books/0")
    books.delete("books/1")
    books.put("books/0", book("again"))
    second = books.list(3, first.next_page_token)
    assert titles(second.items) == ["2", "3", "4"]
    assert titles(books.list(9, second.next_page_token).items) == ["5", "again"]


def test_a_position_is_not_given_twice(books: Repository[Message]) -> None:
    for number in range(3):
        books.add(f"books/{number}", book(str(number)))
    token = books.list(2).next_page_token
    books.delete("books/1")
    books.delete("books/2")
    books.add("books/3", book("3"))
    assert titles(books.list(2, token).items) == ["3"]


def test_parents(books: Repository[Message]) -> None:
    for name in (
        "users/a/books/1",
        "users/b/books/2",
        "users/a/books/3",
        "users/a/books/1/pages/4",
        "users/aa/books/5",
    ):
        books.add(name, book(name))
    assert list(chain(*walk(books, 1, "users/a"))) == ["users/a/books/1", "users/a/books/3"]
    assert list(chain(*walk(books, 1, "users/a/books/1"))) == ["users/a/books/1/pages/4"]
    assert len(list(chain(*walk(books, 2)))) == 5
    assert walk(books, 1, "users/%") == [[]]


def test_tokens_that_are_not_from_this_list(books: Repository[Message], database: Database) -> None:
    others = Repository(database, Book, table="others")
    for number in range(3):
        books.add(f"users/a/books/{number}", book(str(number)))
        books.add(f"users/b/books/{number}", book(str(number)))
        others.add(f"users/a/books/{number}", book(str(number)))
    of_a = books.list(1, parent="users/a").next_page_token
    altered = ("B" if of_a[0] == "A" else "A") + of_a[1:]
    wrong = ["x", "not a token", "ä", "AAAA", of_a + "A", of_a[:-1], altered, "=", of_a + "=="]
    for token in wrong:
        with pytest.raises(InvalidArgument) as caught:
            books.list(1, token, "users/a")
        assert violated(caught.value) == ["page_token"]
    for parent in ("users/b", ""):
        with pytest.raises(InvalidArgument):
            books.list(1, of_a, parent)
    with pytest.raises(InvalidArgument):
        others.list(1, of_a, "users/a")
    assert titles(books.list(1, of_a, "users/a").items) == ["1"]


# --- edits and transactions -------------------------------------------------------------------------------------------


def test_edit_changes_creates_and_deletes(books: Repository[Message]) -> None:
    with books.edit("books/1") as held:
        assert (held.name, held.message, held.etag) == ("books/1", None, "")
        held.message = book("new")
    with books.edit(BookName("1")) as held:
        assert held.message == book("new")
        held.message.title = "changed"  # type: ignore[attr-defined]
    assert books.get("books/1") == book("changed")
    with books.edit("books/1") as held:
        held.message = None
    assert books.get("books/1") is None
    with books.edit("books/1") as held:
        pass
    assert books.get("books/1") is None


def test_edit_leaves_all_as_it_was_when_it_fails(books: Repository[Message]) -> None:
    books.add("books/1", book("one"))
    with pytest.raises(ZeroDivisionError), books.edit("books/1") as held:
        held.message = book("two")
        books.add("books/2", book("two"))
        raise ZeroDivisionError
    assert books.get("books/1") == book("one")
    assert books.get("books/2") is None
    books.add("books/2", book("still writable"))


def test_every_change_gives_another_etag(books: Repository[Message]) -> None:
    def etag() -> str:
        with books.edit("books/1") as held:
            return held.etag

    books.add("books/1", book("one"))
    seen = [etag()]
    assert etag() == seen[0]
    assert seen[0].startswith('"') and seen[0].endswith('"'), "RFC 7232"
    for text in ("two", "one"):
        books.put("books/1", book(text))
        seen.append(etag())
    with books.edit("books/1") as held:
        held.message = book("three")
    seen.append(etag())
    books.delete("books/1")
    books.add("books/1", book("one"))
    seen.append(etag())
    assert len(set(seen)) == 5


def test_an_edit_that_changes_nothing_writes_nothing(books: Repository[Message], database: Database) -> None:
    def instants() -> tuple[datetime, datetime]:
        with database.reading() as connection:
            row = connection.execute(sa.select(books.table.c.create_time, books.table.c.update_time)).one()
        return row.create_time, row.update_time

    books.add("books/1", book("one"))
    created, updated = instants()
    assert created == updated
    with books.edit("books/1"):
        pass
    assert instants() == (created, updated)
    with books.edit("books/1") as held:
        held.message = book("two")
    assert instants()[0] == created
    assert instants()[1] > updated


def test_a_transaction_spans_repositories(books: Repository[Message], database: Database) -> None:
    others = Repository(database, Book, table="others")
    with pytest.raises(ZeroDivisionError), database.transaction():
        books.add("books/1", book("one"))
        others.add("others/1", book("one"))
        assert books.get("books/1") is not None
        raise ZeroDivisionError
    assert (books.get("books/1"), others.get("others/1")) == (None, None)
    with database.transaction():
        books.add("books/1", book("one"))
        with others.edit("others/1") as held:
            held.message = book("one")
    assert (books.get("books/1"), others.get("others/1")) == (book("one"), book("one"))


def test_nobody_sees_a_transaction_before_its_end(books: Repository[Message], database: Database) -> None:
    with ThreadPoolExecutor(1) as pool:
        with database.transaction():
            books.add("books/1", book("one"))
            assert pool.submit(books.get, "books/1").result(PATIENCE) is None
        assert pool.submit(books.get, "books/1").result(PATIENCE) == book("one")


# --- many at once -----------------------------------------------------------------------------------------------------


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Run ``work`` in ``count`` threads that begin together; the first failure is raised."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> object:
        barrier.wait(PATIENCE)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(begin, number) for number in range(count)]:
            future.result(30)


def test_many_threads_write_at_once(books: Repository[Message]) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            books.add(f"books/{number}-{turn}", book(f"{number}-{turn}"))
            assert books.get(f"books/{number}-{turn}") is not None

    in_threads(16, work)
    found = titles(books.list(1000).items)
    assert len(found) == len(set(found)) == 320


def test_no_edit_is_lost(books: Repository[Message]) -> None:
    def work(_: int) -> None:
        for _ in range(10):
            with books.edit("books/counter") as held:
                count = int(title(held.message)) if held.message else 0
                held.message = book(str(count + 1))

    in_threads(16, work)
    assert books.get("books/counter") == book("160")


def test_only_one_of_many_adds(books: Repository[Message]) -> None:
    added: list[int] = []

    def work(number: int) -> None:
        try:
            books.add("books/1", book(str(number)))
        except AlreadyExists:
            return
        added.append(number)

    in_threads(16, work)
    assert len(added) == 1
    assert books.get("books/1") == book(str(added[0]))


def test_two_databases_on_one_file_write_at_once(url: str) -> None:
    """As two processes do: neither knows of the other's lock."""
    databases = [Database(url, migrate=True, durable=False) for _ in range(4)]
    repositories: list[Repository[Message]] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        repository = Repository(databases[number], Book, table="books")
        with lock:
            repositories.append(repository)
        for _ in range(25):
            with repository.edit("books/counter") as held:
                count = int(title(held.message)) if held.message else 0
                time.sleep(0.0005)
                held.message = book(str(count + 1))

    in_threads(4, work)
    assert repositories[0].get("books/counter") == book("100")
    for database in databases:
        database.close()


def test_a_database_that_stays_busy_is_unavailable(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/books.db"
    mine, other = Database(url, migrate=True, wait_seconds=0.1), Database(url)
    books = Repository(mine, Book, table="books")
    with other.transaction():
        with pytest.raises(Unavailable):
            books.put("books/1", book("one"))
        assert books.get("books/1") is None
    with mine.transaction(), ThreadPoolExecutor(1) as pool, pytest.raises(Unavailable):
        pool.submit(books.put, "books/1", book("one")).result(PATIENCE)
    books.put("books/1", book("one"))
    mine.close()
    other.close()


def test_a_database_in_memory_serves_all_threads() -> None:
    database = Database("sqlite://", migrate=True, durable=False)
    books = Repository(database, Book, table="books")
    in_threads(8, lambda number: books.add(f"books/{number}", book(str(number))))
    assert len(books.list().items) == 8
    with ThreadPoolExecutor(1) as pool:
        with database.transaction():
            books.add("books/last", book("last"))
            reading = pool.submit(books.get, "books/last")
        assert reading.result(PATIENCE) == book("last")
    database.close()


# --- what survives ----------------------------------------------------------------------------------------------------


def test_rows_survive_a_restart_and_an_added_field(url: str) -> None:
    before = Database(url, migrate=True, durable=False)
    Repository(before, Book, table="books").add("books/1", book("one"))
    before.close()
    after = Database(url)
    newer = Repository(after, NewerBook, table="books")
    assert newer.get("books/1") == NewerBook(title="one")
    newer.put("books/2", NewerBook(title="two", author="somebody"))
    older = Repository(after, Book, table="books")
    with older.edit("books/2") as held:
        held.message.title = "due"  # type: ignore[union-attr]
    assert newer.get("books/2") == NewerBook(title="due", author="somebody")
    after.close()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)], ids=["durable", "not durable"])
def test_files_are_written_ahead(tmp_path: Path, durable: bool, synchronous: int) -> None:
    """https://sqlite.org/pragma.html#pragma_synchronous: 1 is NORMAL, 2 is FULL."""
    database = Database(f"sqlite:///{tmp_path}/books.db", durable=durable)
    with database.reading() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == synchronous
    database.close()


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_missing_table_is_refused_with_the_command_that_makes_it(url: str) -> None:
    strict = Database(url, program="python -m library")
    with pytest.raises(StartError, match=r'no table "books".*python -m library --migrate'):
        Repository(strict, Book, table="books")
    made = Database(url, migrate=True, durable=False)
    Repository(made, Book, table="books")
    Repository(strict, Book, table="books").add("books/1", book("one"))
    made.close()
    strict.close()


def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="DATABASE_URL"):
        Repository(Database(f"sqlite:///{tmp_path}/no/such/folder/x.db"), Book, table="books")


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "oracle+cx_oracle://x"])
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        Database(url)


def test_the_statements_are_right_for_postgresql(books: Repository[Message]) -> None:
    statements = repository_module._Statements(books.table, None, "postgresql")

    def said(statement: sa.ClauseElement) -> str:
        return " ".join(str(statement.compile(dialect=postgresql.dialect())).split())  # type: ignore[no-untyped-call]

    assert said(statements.lock).endswith(" FOR UPDATE")
    assert "pg_advisory_xact_lock(hashtextextended(" in said(statements.claim)
    assert said(statements.add).endswith("ON CONFLICT (name) DO NOTHING")
    assert "ON CONFLICT (name) DO UPDATE SET" in said(statements.put)
    by_name = repository_module._View("name", below="users/-")
    listing = said(statements.page(by_name, continued=True))
    assert 'ORDER BY books.name COLLATE "C" ASC LIMIT %(most)s' in listing
    assert "books.parent LIKE %(below)s" in listing
    assert statements.place(by_name, "users/a_b")["below"] == "users/%"
    assert statements.place(repository_module._View(below="a_b/-"), "")["below"] == r"a\_b/%"


def test_the_table_is_right_for_postgresql(books: Repository[Message]) -> None:
    ddl = str(CreateTable(books.table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "position BIGSERIAL NOT NULL" in ddl
    assert "message BYTEA NOT NULL" in ddl
    assert "create_time TIMESTAMP WITH TIME ZONE NOT NULL" in ddl


# --- tracing ----------------------------------------------------------------------------------------------------------


class Recorder(Tracing):
    """Tracing that notes the spans asked for."""

    enabled = True

    def __init__(self) -> None:
        self.spans: list[tuple[str, dict[str, object]]] = []

    def span(self, name: str, attributes: object) -> AbstractContextManager[Span]:
        self.spans.append((name, dict(attributes)))  # type: ignore[call-overload]
        return super().span(name, {})


@contextmanager
def recorded(url: str) -> Iterator[tuple[Repository[Message], Recorder]]:
    recorder = Recorder()
    database = Database(url, migrate=True, durable=False, tracing=recorder)
    yield Repository(database, Book, table="books"), recorder
    database.close()


def test_each_statement_makes_a_span(url: str) -> None:
    def insert_update_delete(books: Repository[Message]) -> None:
        for message in (book("one"), book("two"), None):
            with books.edit("books/1") as held:
                held.message = message

    with recorded(url) as (books, recorder):
        for work, expected in (
            (lambda: books.get("books/1"), ["SELECT"]),
            (lambda: books.add("books/9", book("one")), ["INSERT"]),
            (lambda: books.put("books/9", book("one")), ["INSERT"]),
            (lambda: books.delete("books/9"), ["DELETE"]),
            (lambda: books.list(), ["SELECT"]),
            (lambda: books.get_many(["books/1"]), ["SELECT"]),
            (lambda: insert_update_delete(books), ["SELECT", "INSERT", "SELECT", "UPDATE", "SELECT", "DELETE"]),
        ):
            recorder.spans.clear()
            work()
            assert [name for name, _ in recorder.spans] == [f"{operation} books" for operation in expected]
            for operation, (_, attributes) in zip(expected, recorder.spans, strict=True):
                assert attributes == {
                    "db.system.name": url.partition(":")[0].partition("+")[0],
                    "db.operation.name": operation,
                    "db.collection.name": "books",
                }


def test_statements_are_compiled_once(database: Database, books: Repository[Message]) -> None:
    """The hot path depends on SQLAlchemy's cache of compiled statements."""
    found: list[str] = []
    for number in range(3):
        books.add(f"books/{number}", book("x"))
        books.get(f"books/{number}")
        books.list(2, books.list(1).next_page_token)
        with books.edit(f"books/{number}") as held:
            held.message = book("y")

    def note(
        connection: sa.Connection, cursor: object, statement: str, parameters: object, context: object, _: bool
    ) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            found.append(str(context.cache_hit.name))  # type: ignore[attr-defined]

    sa.event.listen(database._engine, "before_cursor_execute", note)
    books.add("books/n", book("x"))
    books.get("books/n")
    books.list(3, books.list(1).next_page_token)
    with books.edit("books/n") as held:
        held.message = book("y")
    assert found == ["CACHE_HIT"] * 6
