"""BatchGet, BatchCreate and BatchDelete (AIP-231, 233, 235): all or none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from runtime.common.errors import AlreadyExists, InvalidArgument, NotFound
from runtime.common.names import new_id
from runtime.store import (
    batch_create_resources,
    batch_delete_resources,
    batch_get_resources,
    create_resource,
    delete_resource,
    list_resources,
    soft_delete_resource,
)

from .archive import Archive, BookName, api, violated

P1, P2 = "publishers/1", "publishers/2"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(f"sqlite:///{tmp_path}/archive.db")
    yield archive
    archive.database.close()


def wanted(own_id: str, parent: str = P1, title: str = "Emma", **more: object) -> Message:
    return api.CreateBookRequest(parent=parent, book_id=own_id, book=api.Book(title=title), **more)


def create(archive: Archive, requests: list[Message], **more: object) -> tuple[Message, ...]:
    """BatchCreate as it is generated, over a Create as it is generated."""

    def create_book(each: Message) -> Message:
        name = BookName.under(each.parent, new_id(each.book_id, field="book_id"))
        return create_resource(archive.books, each, each.book, name)

    request = api.BatchCreateBooksRequest(requests=requests, **more)
    return batch_create_resources(archive.books, request, request.requests, create_book)


def delete(archive: Archive, *names: str, **more: object) -> tuple[Message, ...]:
    """BatchDelete by names, where what is deleted can be undeleted."""
    request = api.BatchDeleteBooksRequest(names=names, **more)
    requests = [api.DeleteBookRequest(name=name) for name in request.names]

    def delete_book(each: Message) -> Message:
        return soft_delete_resource(archive.books, each, BookName.parse(each.name))

    return batch_delete_resources(archive.books, request, requests, delete_book, field="names")


def get(archive: Archive, *names: str, parent: str = "") -> tuple[Message, ...]:
    request = api.BatchGetBooksRequest(names=names, parent=parent)
    return batch_get_resources(archive.books, request, BookName.parse_all(request.names))


def ids(archive: Archive, parent: str = "publishers/-") -> list[str]:
    return [
        book.name.rpartition("/")[2]
        for book in list_resources(archive.books, api.ListBooksRequest(parent=parent), BookName).items
    ]


@pytest.fixture
def three(archive: Archive) -> list[str]:
    return [book.name for book in create(archive, [wanted("a"), wanted("b"), wanted("c", P2)])]


def test_resources_come_in_the_order_of_their_names(archive: Archive, three: list[str]) -> None:
    names = [three[2], three[0], three[2]]
    assert [book.name for book in get(archive, *names)] == names
    assert all(book.etag for book in get(archive, *names))


def test_one_missing_name_fails_the_whole(archive: Archive, three: list[str]) -> None:
    with pytest.raises(NotFound) as caught:
        get(archive, three[0], f"{P1}/books/none")
    assert caught.value.metadata == {"name": f"{P1}/books/none"}


@pytest.mark.parametrize("count", [0, 1001])
def test_how_many_may_be_got(archive: Archive, three: list[str], count: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        get(archive, *([three[0]] * count))
    assert violated(caught.value) == ["names"]
    assert len(get(archive, *([three[0]] * 1000))) == 1000


def test_names_are_below_the_parent_of_the_batch(archive: Archive, three: list[str]) -> None:
    assert len(get(archive, *three[:2], parent=P1)) == 2
    assert len(get(archive, *three, parent="publishers/-")) == 3
    with pytest.raises(InvalidArgument) as caught:
        get(archive, *three, parent=P1)
    assert violated(caught.value) == ["names[2]"]


def test_malformed_names_are_named_by_their_place(archive: Archive, three: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        get(archive, three[0], "books/1")
    assert violated(caught.value) == ["names[1]"]


def test_all_are_created_in_order(archive: Archive, three: list[str]) -> None:
    assert three == [f"{P1}/books/a", f"{P1}/books/b", f"{P2}/books/c"]
    assert ids(archive) == ["a", "b", "c"]


def test_one_that_cannot_be_created_stops_all(archive: Archive, three: list[str]) -> None:
    with pytest.raises(AlreadyExists):
        create(archive, [wanted("d"), wanted("a")])
    with pytest.raises(InvalidArgument) as caught:
        create(archive, [wanted("d"), wanted("e", title="")])
    assert violated(caught.value) == ["requests[1].book.title"]
    with pytest.raises(AlreadyExists):
        create(archive, [wanted("d"), wanted("d")])
    assert ids(archive) == ["a", "b", "c"]


def test_the_parent_of_the_batch_is_that_of_all(archive: Archive) -> None:
    create(archive, [wanted("a", parent=""), wanted("b", parent=P1)], parent=P1)
    assert ids(archive, P1) == ["a", "b"]
    with pytest.raises(InvalidArgument) as caught:
        create(archive, [wanted("c", parent=P2)], parent=P1)
    assert violated(caught.value) == ["requests[0].parent"]
    with pytest.raises(InvalidArgument) as caught:
        create(archive, [wanted("c", parent="")], parent="publishers/-")
    assert violated(caught.value) == ["requests[0].parent"]
    create(archive, [wanted("c", parent=P2)], parent="publishers/-")
    assert ids(archive, P2) == ["c"]


def test_a_batch_is_of_some(archive: Archive) -> None:
    with pytest.raises(InvalidArgument) as caught:
        create(archive, [])
    assert violated(caught.value) == ["requests"]


def test_a_batch_is_repeated_without_effect(archive: Archive) -> None:
    requests = [wanted("a"), wanted("b")]
    first = create(archive, requests, request_id="r1")
    assert create(archive, requests, request_id="r1") == first
    assert len(first) == 2


def test_a_rehearsed_batch_changes_nothing_and_sees_its_own_trouble(archive: Archive) -> None:
    assert len(create(archive, [wanted("a"), wanted("b")], validate_only=True)) == 2
    with pytest.raises(AlreadyExists):
        create(archive, [wanted("a"), wanted("a")], validate_only=True)
    assert ids(archive) == []


def test_all_are_deleted_or_none(archive: Archive, three: list[str]) -> None:
    with pytest.raises(NotFound):
        delete(archive, three[0], f"{P1}/books/none")
    assert ids(archive) == ["a", "b", "c"]
    deleted = delete(archive, *three[:2], parent=P1)
    assert [book.HasField("delete_time") for book in deleted] == [True, True]
    assert ids(archive) == ["c"]


def test_what_a_batch_says_goes_for_all_its_deletions(archive: Archive, three: list[str]) -> None:
    delete(archive, three[0], f"{P1}/books/none", allow_missing=True)
    assert ids(archive) == ["b", "c"]


def test_where_a_deletion_is_wrong(archive: Archive, three: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        delete(archive, three[0], "books/1")
    assert violated(caught.value) == ["names[1]"]
    with pytest.raises(InvalidArgument) as caught:
        delete(archive, *three, parent=P1)
    assert violated(caught.value) == ["names[2]"]
    assert ids(archive) == ["a", "b", "c"]


def test_deletions_for_good_by_requests(archive: Archive) -> None:
    for own_id in ("x", "y"):
        archive.readers.add(own_id, api.Reader(id=own_id))

    def delete_reader(each: Message) -> Message:
        delete_resource(archive.readers, each, each.id)
        return Empty()

    for wrong in (["x", "z"], ["x", "x"]):
        requests = [api.DeleteReaderRequest(id=own_id) for own_id in wrong]
        with pytest.raises(NotFound):
            batch_delete_resources(archive.readers, api.BatchDeleteReadersRequest(), requests, delete_reader)
    assert archive.readers.get("x") is not None
    requests = [api.DeleteReaderRequest(id=own_id) for own_id in ("x", "y")]
    assert batch_delete_resources(archive.readers, api.BatchDeleteReadersRequest(), requests, delete_reader) == ()
    assert archive.readers.list().items == ()
