"""A generated store whose database is not as it should be: a clear refusal to start, or the right status, and no more."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.generated.books import SERVICE, Books, refused
from tests.postgresql import PostgreSQL, database_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED
INTERNAL = grpc.StatusCode.INTERNAL


def refusal(books: Books, **environ: str) -> str:
    """What the program says when it does not start; it must end at once and tell no password."""
    begun = time.monotonic()
    code, out, err = books.ended(**environ)
    assert (code, out) == (2, ""), err
    assert err.startswith("books does not start: ")
    assert "Traceback" not in err
    assert "s3cret" not in err
    assert time.monotonic() - begun < 25
    return err


def statement(url: str, text: str) -> None:
    """Change a database from outside."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(text)
    else:
        import psycopg

        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(text)


# --- at start ---------------------------------------------------------------------------------------------------------


def test_missing_settings(books: Books) -> None:
    assert "DATABASE_URL is not set" in refusal(books)
    assert "DATABASE_URL: mysql is not supported" in refusal(books, DATABASE_URL="mysql://app:s3cret@db/x")
    assert "DATABASE_URL is not a URL" in refusal(books, DATABASE_URL="s3cret")
    said = refusal(books, DATABASE_URL="sqlite://", DATABASE_CONNECTIONS="none", DATABASE_WAIT_SECONDS="0")
    assert "DATABASE_CONNECTIONS: 'none' does not fit" in said
    assert "DATABASE_WAIT_SECONDS: '0' does not fit" in said
    said = refusal(books, DATABASE_URL_FILE="/no/such/file")
    assert "DATABASE_URL_FILE: cannot read /no/such/file" in said


def test_a_database_that_is_not_there(books: Books, tmp_path: Path, postgresql: PostgreSQL) -> None:
    down = "postgresql+psycopg://app:s3cret@127.0.0.1:1/books"
    for url in (
        f"sqlite:///{tmp_path}/no/folder/books.db",
        down,
        f"postgresql+psycopg://app:s3cret@/books?host={tmp_path}",
        postgresql.url("no_such_database").replace("postgres@", "postgres:s3cret@"),
    ):
        assert "cannot be used" in refusal(books, DATABASE_URL=url)
        code, _, err = books.ended("--migrate", DATABASE_URL=url)
        assert code == 2
        assert "cannot be used" in err
        assert "s3cret" not in err


def test_an_empty_database_and_one_of_another_schema(books: Books, database_url: str) -> None:
    statement(database_url, "ALTER TABLE books RENAME TO elsewhere")
    assert 'no table "books": make it with python -m books --migrate' in refusal(books, DATABASE_URL=database_url)
    statement(database_url, "CREATE TABLE books (name TEXT)")
    assert 'the table "books" has no column position' in refusal(books, DATABASE_URL=database_url)
    statement(database_url, "DROP TABLE books")
    statement(database_url, "ALTER TABLE elsewhere RENAME TO books")
    statement(database_url, "UPDATE repositories_version SET version_num = '2099'")
    assert "a newer program made them" in refusal(books, DATABASE_URL=database_url)


def test_a_file_that_is_no_database(books: Books, tmp_path: Path) -> None:
    (tmp_path / "books.db").write_bytes(b"not a database " * 1000)
    assert "cannot be used: file is not a database" in refusal(books, DATABASE_URL=f"sqlite:///{tmp_path}/books.db")


# --- in service -------------------------------------------------------------------------------------------------------


def serving_health(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_a_server_that_goes_down_and_comes_back(books: Books, postgresql: PostgreSQL) -> None:
    url = postgresql.create()
    books.migrate(url)
    with books.serving(url) as program:
        program.create("before")
        postgresql.stop()
        try:
            begun = time.monotonic()
            with ThreadPoolExecutor(20) as pool:
                told = list(pool.map(lambda n: refused(lambda: program.create(f"down-{n}")), range(40)))
            assert set(told) == {(UNAVAILABLE, "DATABASE_UNAVAILABLE")}
            assert refused(lambda: program.get("before")) == (UNAVAILABLE, "DATABASE_UNAVAILABLE")
            assert time.monotonic() - begun < 30
        finally:
            postgresql.start()
        assert program.get("before") == ""
        program.create("after")
        assert set(program.all()) == {"before", "after"}
        program.send(signal.SIGTERM)
        assert program.wait() == 0
        assert "Traceback" in program.kill()  # the operators learn it all
    postgresql.drop(url)


def test_a_server_that_stands_still_and_goes_on(books: Books, postgresql: PostgreSQL) -> None:
    """Frozen, as by SIGSTOP, or behind a network that is gone: nobody hangs, the store stops in time, all comes back."""
    url = postgresql.create()
    books.migrate(url)
    with books.serving(url, DATABASE_WAIT_SECONDS="2", MAX_WORKERS="4") as program:
        program.create("before")
        with postgresql.frozen():
            begun = time.monotonic()

            def give_up(number: int) -> grpc.StatusCode:
                with pytest.raises(grpc.RpcError) as caught:
                    program.create(f"frozen-{number}", timeout=0.5)
                return caught.value.code()  # type: ignore[attr-defined, no-any-return]

            with ThreadPoolExecutor(8) as pool:
                assert set(pool.map(give_up, range(16))) == {DEADLINE_EXCEEDED}
            assert refused(lambda: program.create("patient"))[0] is UNAVAILABLE
            assert serving_health(program.address)
            assert time.monotonic() - begun < 30
        assert program.get("before") == ""
        program.create("after")
        assert {"before", "after"} <= set(program.all())
        with postgresql.frozen(), ThreadPoolExecutor(1) as pool:
            last = pool.submit(give_up, 99)
            time.sleep(0.2)
            program.send(signal.SIGTERM)
            assert last.result(30) in (DEADLINE_EXCEEDED, UNAVAILABLE)
            assert program.wait() == 0
        assert "left behind" not in program.kill()
    postgresql.drop(url)


@contextmanager
def write_lock(url: str) -> Iterator[None]:
    """Somebody else who writes, and does not come to an end."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
    else:
        import psycopg

        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute("LOCK TABLE books IN SHARE MODE")
            yield


def test_a_lock_that_somebody_holds(books: Books, database_url: str) -> None:
    with books.serving(database_url, DATABASE_WAIT_SECONDS="1") as program:
        program.create("before")
        with write_lock(database_url):
            with ThreadPoolExecutor(8) as pool:
                told = list(pool.map(lambda n: refused(lambda: program.create(f"locked-{n}")), range(8)))
            assert set(told) == {(UNAVAILABLE, "DATABASE_BUSY")}
            with pytest.raises(grpc.RpcError) as caught:
                program.create("too-late", timeout=0.3)
            assert caught.value.code() is DEADLINE_EXCEEDED  # type: ignore[attr-defined]
            assert program.get("before") == ""
        program.create("after")
        assert set(program.all()) == {"before", "after"}
        program.send(signal.SIGTERM)
        assert program.wait() == 0
        assert "left behind" not in program.kill()


def test_no_thread_stays_behind_for_callers_that_gave_up(books: Books, database_url: str) -> None:
    """Two threads, and ten calls that wait for a lock longer than their callers do: the next one finds a thread."""
    with books.serving(database_url, DATABASE_WAIT_SECONDS="60", MAX_WORKERS="2") as program:
        with write_lock(database_url):

            def give_up(number: int) -> None:
                with pytest.raises(grpc.RpcError):
                    program.create(f"b{number}", timeout=0.3)

            with ThreadPoolExecutor(10) as pool:
                list(pool.map(give_up, range(10)))
            begun = time.monotonic()
            assert program.all() == {}
            assert time.monotonic() - begun < 20
            time.sleep(0.3)  # who had just given up may be a little ahead of the program
        program.create("after")
        assert set(program.all()) == {"after"}


def test_a_schema_that_is_taken_away_is_our_fault_and_nobody_elses_business(books: Books, database_url: str) -> None:
    with books.serving(database_url) as program:
        program.create("before")
        statement(database_url, "ALTER TABLE books RENAME TO elsewhere")
        assert refused(lambda: program.create("meanwhile")) == (INTERNAL, "INTERNAL")
        assert refused(lambda: program.get("before")) == (INTERNAL, "INTERNAL")
        assert serving_health(program.address)
        statement(database_url, "ALTER TABLE elsewhere RENAME TO books")
        assert program.all() == {"before": ""}


def test_a_disk_that_is_full(books: Books, tmp_path: Path) -> None:
    """A file system of a megabyte: what does not fit is refused, what was there stays, and what fits again is taken."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    small = tmp_path / "small"
    small.mkdir()
    url = f"sqlite:///{small}/books.db"
    script = f'mount -t tmpfs -o size=1m tmpfs {small} && "$0" -m books --migrate >/dev/null && exec "$0" "$@"'
    with books.serving(url, within=("unshare", "-Urm", "sh", "-c", script)) as program:
        acknowledged = {}
        for number in range(100):
            try:
                program.create(f"b{number}", "x" * 50_000)
                acknowledged[f"b{number}"] = "x" * 50_000
            except grpc.RpcError:
                break
        assert 3 < len(acknowledged) < 30
        told = {refused(lambda: program.create("more", "x" * 500_000)) for _ in range(5)}
        assert told == {(grpc.StatusCode.RESOURCE_EXHAUSTED, "DATABASE_FULL")}
        assert {name: title for name, title in program.all().items() if name in acknowledged} == acknowledged
        assert "more" not in program.all()
        log = program.kill()
    assert "the database is full" in log


def test_a_server_without_room(books: Books, postgresql: PostgreSQL) -> None:
    url = postgresql.create()
    books.migrate(url)
    with books.serving(url) as program:
        program.create("before")
        postgresql.execute(
            "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
            "'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$",
            database_of(url),
        )
        postgresql.execute(
            "CREATE TRIGGER no_space BEFORE INSERT ON books EXECUTE FUNCTION no_space()", database_of(url)
        )
        told = refused(lambda: program.create("more"))
        assert told == (grpc.StatusCode.RESOURCE_EXHAUSTED, "DATABASE_FULL")
        postgresql.execute("DROP TRIGGER no_space ON books", database_of(url))
        program.create("after")
        assert set(program.all()) == {"before", "after"}
    postgresql.drop(url)


# --- writers of several processes -------------------------------------------------------------------------------------


def test_two_programs_on_one_database(books: Books, database_url: str) -> None:
    """Only one of many may create a book, whichever program it asks; and nobody hears that the database is locked."""
    with books.serving(database_url) as one, books.serving(database_url) as other:
        lock, outcomes = threading.Lock(), dict.fromkeys((grpc.StatusCode.OK, grpc.StatusCode.ALREADY_EXISTS), 0)

        def create(number: int) -> None:
            program = (one, other)[number % 2]
            code = grpc.StatusCode.OK
            try:
                program.create(f"b{number // 8}")
            except grpc.RpcError as error:
                code = error.code()  # type: ignore[attr-defined]
            with lock:
                outcomes[code] += 1

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(create, range(400)))
        assert outcomes == {grpc.StatusCode.OK: 50, grpc.StatusCode.ALREADY_EXISTS: 350}
        assert len(one.all()) == 50
