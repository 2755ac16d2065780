"""Watching a resource of a store: what is told, when it ends, and what is left of it in a trace."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from runtime.common import tracing as tracing_setup
from runtime.store import Call, Repository, Settings, changes

from . import library
from .library import PATIENCE, SERVICE, Book
from .wire import eventually

NAME = "books/1"


def repository(folder: Path) -> Repository[Message]:
    """One of its own each time, as another process would have."""
    settings = Settings.load("library", dev=True, environ={"DATABASE_URL": f"sqlite:///{folder}/library.db"})
    return Repository(settings.database(), Book, table="books")


def book(title: str) -> Message:
    return Book(name=NAME, title=title)


def titles(found: Iterator[Message | None]) -> list[str | None]:
    return [None if message is None else library.title(message) for message in found]


def happening(*events: Callable[[], object]) -> Call[None]:
    """Each wait lets the next of the events happen; after the last the caller is gone."""
    coming = iter(events)

    def wait(seconds: float) -> bool:
        event = next(coming, None)
        if event is not None:
            event()
        return event is not None

    return Call(None, pause=wait)


def nothing() -> None:
    pass


def test_first_what_it_is_then_each_change_also_of_others(tmp_path: Path) -> None:
    mine, theirs = repository(tmp_path), repository(tmp_path)
    theirs.put(NAME, book("a"))
    call = happening(
        nothing,
        lambda: theirs.put(NAME, book("b")),
        nothing,
        lambda: mine.put(NAME, book("c")),
        lambda: theirs.delete(NAME),
        nothing,
        lambda: mine.add(NAME, book("d")),
    )
    assert titles(changes(mine, NAME, call)) == ["a", "b", "c", None, "d"]


def test_what_is_not_there_yet_is_none_and_comes(tmp_path: Path) -> None:
    mine = repository(tmp_path)
    assert titles(changes(mine, NAME, happening(nothing, lambda: mine.add(NAME, book("a"))))) == [None, "a"]


def test_changes_between_two_looks_are_one_and_a_write_of_the_same_is_none(tmp_path: Path) -> None:
    mine = repository(tmp_path)
    mine.put(NAME, book("a"))

    def twice() -> None:
        mine.put(NAME, book("b"))
        mine.put(NAME, book("c"))

    assert titles(changes(mine, NAME, happening(twice, lambda: mine.put(NAME, book("c"))))) == ["a", "c"]


def test_a_change_while_it_is_read_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the moment: told by the look that reads it, and not again by the next one, which finds another etag."""
    mine = repository(tmp_path)
    mine.put(NAME, book("a"))
    get = mine.get

    def late(name: Any) -> Message | None:
        monkeypatch.setattr(mine, "get", get)
        mine.put(NAME, book("b"))
        return get(name)

    monkeypatch.setattr(mine, "get", late)
    assert titles(changes(mine, NAME, happening(nothing, nothing))) == ["b"]


def test_looking_in_vain_leaves_no_spans(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_setup.setup("library", "", True, span_exporter=exporter)
    settings = Settings.load("library", dev=True, environ={"DATABASE_URL": f"sqlite:///{tmp_path}/library.db"})
    settings.attach(tracing)
    mine = Repository(settings.database(), Book, table="books")
    call = happening(*[nothing] * 50, lambda: repository(tmp_path).put(NAME, book("a")))
    assert titles(changes(mine, NAME, call)) == [None, "a"]
    assert [span.name for span in exporter.get_finished_spans()] == ["SELECT books"] * 2
    tracing.shutdown()


def test_over_the_wire_a_change_of_another_process_arrives_within_a_second(tmp_path: Path) -> None:
    ended = threading.Event()

    def list_books(request: Message, context: Call[Repository[Message]]) -> Iterator[Message]:
        try:
            for found in changes(context.app, NAME, context, every=0.1):
                yield found if found is not None else Book()
        finally:
            ended.set()

    component = library.component(library.service(list_books=list_books), build=lambda settings: repository(tmp_path))
    theirs = repository(tmp_path)
    theirs.put(NAME, book("a"))
    with library.serving(component, max_streams=4) as (running, channel):
        watch = channel.unary_stream(f"/{SERVICE}/ListBooks", response_deserializer=Book.FromString)
        watchers = [watch(b"", timeout=PATIENCE) for _ in range(4)]
        assert [library.title(next(watcher)) for watcher in watchers] == ["a"] * 4
        begun = time.monotonic()
        theirs.put(NAME, book("b"))
        assert [library.title(next(watcher)) for watcher in watchers] == ["b"] * 4
        assert time.monotonic() - begun < 1
        watchers[0].cancel()
        assert ended.wait(PATIENCE)
        assert eventually(lambda: _watches(watch)), "there is room for another one"
        assert running.stop(PATIENCE)
        with pytest.raises(grpc.RpcError) as caught:
            next(watchers[1])
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def _watches(watch: Any) -> bool:
    try:
        return library.title(next(watch(b"", timeout=PATIENCE))) == "b"
    except grpc.RpcError:
        return False
