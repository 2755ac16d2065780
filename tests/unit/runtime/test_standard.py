"""Get, List, Create, Update, Delete and Undelete as the runtime does them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from runtime.common.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from runtime.store import (
    create_resource,
    delete_resource,
    get_resource,
    list_resources,
    once,
    soft_delete_resource,
    undelete_resource,
    update_resource,
)
from runtime.store import replay as replay_module
from runtime.store import repository as repository_module

from .archive import Archive, BookName, api, violated

P1, P2, ANN = "publishers/1", "publishers/2", "authors/ann"
AUTHOR = api.Book.Author(given_name="Ann", family_name="Lee", country="AT")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(f"sqlite:///{tmp_path}/archive.db")
    yield archive
    archive.database.close()


def book(**fields: object) -> Message:
    return api.Book(**{"title": "Emma", **fields})


def create(
    archive: Archive, own_id: str = "1", resource: Message | None = None, parent: str = P1, **more: object
) -> Message:
    resource = book() if resource is None else resource
    prepare = more.pop("prepare", None)
    request = api.CreateBookRequest(parent=parent, book=resource, book_id=own_id, **more)
    return create_resource(archive.books, request, request.book, BookName.under(parent, own_id), prepare=prepare)


def update(archive: Archive, resource: Message, *paths: str, own_id: str = "1", **more: object) -> Message:
    check, prepare = more.pop("check", None), more.pop("prepare", None)
    resource.name = f"{P1}/books/{own_id}"
    request = api.UpdateBookRequest(book=resource, update_mask=FieldMask(paths=paths), **more)
    return update_resource(archive.books, request, request.book, resource.name, check=check, prepare=prepare)


def delete(archive: Archive, own_id: str = "1", **more: object) -> Message:
    request = api.DeleteBookRequest(name=f"{P1}/books/{own_id}", **more)
    return soft_delete_resource(archive.books, request, request.name)


def undelete(archive: Archive, own_id: str = "1", **more: object) -> Message:
    request = api.UndeleteBookRequest(name=f"{P1}/books/{own_id}", **more)
    return undelete_resource(archive.books, request, request.name)


def get(archive: Archive, own_id: str = "1") -> Message:
    return get_resource(archive.books, f"{P1}/books/{own_id}")


def listed(archive: Archive, parent: str = P1, **more: object) -> list[str]:
    """The names in all pages of two."""
    found, token = [], ""
    while True:
        request = api.ListBooksRequest(parent=parent, page_size=2, page_token=token, **more)
        page = list_resources(archive.books, request, BookName)
        found += [item.name for item in page.items]
        token = page.next_page_token
        if not token:
            return found


def refused(work: Callable[[], object]) -> list[str]:
    with pytest.raises(InvalidArgument) as caught:
        work()
    return violated(caught.value)


# --- Create (AIP-133) -------------------------------------------------------------------------------------------------


def test_what_is_created_is_what_get_returns(archive: Archive) -> None:
    created = create(archive, resource=book(author=AUTHOR, pages=0, image="x"))
    assert (created.name, created.title, created.pages, created.author) == (f"{P1}/books/1", "Emma", 0, AUTHOR)
    assert created.HasField("create_time")
    assert created.create_time == created.update_time
    assert created.etag.startswith('"') and created.etag.endswith('"') and len(created.etag) > 2
    assert len(created.uid) == 36
    assert get(archive) == created


def test_what_is_missing_is_not_found(archive: Archive) -> None:
    with pytest.raises(NotFound):
        get(archive)


def test_a_name_is_taken_once(archive: Archive) -> None:
    first = create(archive)
    with pytest.raises(AlreadyExists):
        create(archive, resource=book(title="Other"))
    assert get(archive) == first


def test_output_only_fields_of_a_request_are_ignored(archive: Archive) -> None:
    sent = book(name="publishers/9/books/9", lends=7, uid="mine", etag="mine")
    sent.create_time.FromDatetime(datetime(2001, 1, 1))
    sent.delete_time.FromDatetime(datetime(2001, 1, 1))
    sent.author.given_name = "Ann"
    sent.author.slug = "mine"
    sent.editors.add(given_name="Bob", slug="mine")
    created = create(archive, resource=sent)
    assert (created.name, created.lends, created.author.slug, created.editors[0].slug) == (f"{P1}/books/1", 0, "", "")
    assert "mine" not in (created.uid, created.etag)
    assert not created.HasField("delete_time")
    assert created.create_time.ToDatetime().year > 2001
    assert sent.lends == 7, "the request is the caller's"


def test_what_is_required_must_be_there(archive: Archive) -> None:
    assert refused(lambda: create(archive, resource=api.Book())) == ["book.title"]
    editors = [api.Book.Author(given_name="Bob"), api.Book.Author(family_name="Lee")]
    assert refused(lambda: create(archive, resource=book(editors=editors))) == ["book.editors[1].given_name"]
    request = api.CreateBookRequest(book_id="1")
    work = lambda: create_resource(archive.books, request, request.book, f"{P1}/books/1")  # noqa: E731
    assert refused(work) == ["parent", "book", "book.title"]
    assert listed(archive) == []


def test_a_handler_may_set_what_a_request_cannot(archive: Archive) -> None:
    created = create(archive, prepare=lambda new: setattr(new, "lends", 3))
    assert (created.lends, get(archive).lends) == (3, 3)


def test_a_resource_lives_under_any_of_its_patterns(archive: Archive) -> None:
    assert create(archive, parent=ANN).name == "authors/ann/books/1"
    assert listed(archive, ANN) == ["authors/ann/books/1"]


def test_keys_that_are_ids(archive: Archive) -> None:
    request = api.CreateReaderRequest(reader=api.Reader(id="x", label="X"))
    created = create_resource(archive.readers, request, request.reader, "x", key="id")
    assert (created.id, created.label) == ("x", "X")
    request = api.UpdateReaderRequest(reader=api.Reader(id="x", label="Y"), mask=FieldMask(paths=["id", "label"]))
    assert update_resource(archive.readers, request, request.reader, "x", key="id").label == "Y"
    page = list_resources(archive.readers, api.ListReadersRequest(order_by="id desc"), key="id")
    assert [reader.id for reader in page.items] == ["x"]


def test_an_identifier_beside_the_key_is_the_servers_too(archive: Archive) -> None:
    request = api.CreateReaderRequest(reader=api.Reader(id="x", label="X", handle="mine"))
    assert create_resource(archive.readers, request, request.reader, "x", key="id").handle == ""

    def prepare(new: Message) -> None:
        new.handle = "theirs"

    request = api.CreateReaderRequest(reader=api.Reader(label="Y", handle="mine"))
    created = create_resource(archive.readers, request, request.reader, "y", key="id", prepare=prepare)
    for paths in (["handle", "label"], ["*"], []):
        request = api.UpdateReaderRequest(reader=api.Reader(label="Z", handle="mine"), mask=FieldMask(paths=paths))
        updated = update_resource(archive.readers, request, request.reader, "y", key="id")
        assert (created.handle, updated.handle, updated.label) == ("theirs", "theirs", "Z"), paths


# What was written before there were standard methods: the etag of the content, and perhaps one within it.
_ROW = """
    INSERT INTO books (name, parent, etag, message, create_time, update_time)
    VALUES (:name, :parent, :etag, :message, '2025-01-01 00:00:00.000000', '2025-01-01 00:00:00.000000')
"""


def test_rows_of_before_are_read_and_changed(archive: Archive) -> None:
    name = f"{P1}/books/1"
    data = book(name=name, etag="from a client").SerializeToString()
    with archive.database.transaction() as connection:
        connection.execute(sa.text(_ROW), {"name": name, "parent": P1, "etag": "c0ffee", "message": data})
    assert (get(archive).title, get(archive).etag) == ("Emma", '"c0ffee"')
    assert listed(archive, order_by="create_time") == [name]
    assert update(archive, book(title="Persuasion", etag='"c0ffee"'), "title").title == "Persuasion"
    assert delete(archive).HasField("delete_time")


def test_an_etag_is_no_part_of_what_is_kept(archive: Archive) -> None:
    create(archive)
    with archive.database.reading() as connection:
        (data,) = connection.execute(sa.text("SELECT message FROM books")).scalars()
    assert api.Book.FromString(data).etag == ""


# --- request_id (AIP-155) ---------------------------------------------------------------------------------------------


def test_a_repeated_request_brings_the_first_answer(archive: Archive) -> None:
    first = create(archive, request_id="r1")
    update(archive, book(title="Persuasion"), "title")
    assert create(archive, request_id="r1") == first
    assert listed(archive) == [first.name]


def test_a_repeated_request_with_a_fresh_name_makes_no_second_resource(archive: Archive) -> None:
    request = api.CreateBookRequest(parent=P1, book=book(), request_id="r1")
    first = create_resource(archive.books, request, request.book, f"{P1}/books/a")
    assert create_resource(archive.books, request, request.book, f"{P1}/books/b") == first
    assert listed(archive) == [f"{P1}/books/a"]


def test_a_request_id_stands_for_one_request_of_one_kind(archive: Archive) -> None:
    create(archive, request_id="r1")
    assert refused(lambda: create(archive, "2", request_id="r1")) == ["request_id"]
    assert update(archive, book(title="Persuasion"), "title", request_id="r1").title == "Persuasion"
    assert listed(archive) == [f"{P1}/books/1"]


def test_a_malformed_request_id(archive: Archive) -> None:
    assert refused(lambda: create(archive, request_id="a b")) == ["request_id"]


def test_a_request_that_failed_can_be_sent_again(archive: Archive) -> None:
    create(archive)
    with pytest.raises(AlreadyExists):
        create(archive, request_id="r1")
    delete_resource(archive.books, api.DeleteBookRequest(name=f"{P1}/books/1"), f"{P1}/books/1")
    assert create(archive, request_id="r1") == get(archive)


def test_updates_and_deletions_are_repeated_without_effect(archive: Archive) -> None:
    etag = create(archive).etag
    updated = update(archive, book(title="Persuasion", etag=etag), "title", request_id="r1")
    assert update(archive, book(title="Persuasion", etag=etag), "title", request_id="r1") == updated
    deleted = delete(archive, request_id="r2")
    assert delete(archive, request_id="r2") == deleted
    for _ in range(2):
        request = api.DeleteReaderRequest(id="x", allow_missing=True, request_id="r3")
        delete_resource(archive.readers, request, "x")


def test_the_same_request_from_many_at_once_is_done_once(archive: Archive) -> None:
    def send(number: int) -> str:
        request = api.CreateBookRequest(parent=P1, book=book(), request_id="r1")
        return create_resource(archive.books, request, request.book, f"{P1}/books/{number}").name

    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(send, range(24)))
    assert names == set(listed(archive))
    assert len(names) == 1


def test_requests_are_forgotten_after_a_while(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    create(archive, request_id="r1")
    monkeypatch.setattr(replay_module, "REMEMBERED", -timedelta(days=1))
    archive.books.answers._swept = -replay_module._SWEEP_SECONDS
    with pytest.raises(AlreadyExists):
        create(archive, request_id="r1")


def test_methods_of_ones_own_answer_once(archive: Archive) -> None:
    done = []
    request = api.CreateBookRequest(request_id="r1")
    for _ in range(2):
        once(archive.books, request, lambda: done.append(1) or book())
    assert done == [1]


# --- validate_only (AIP-163) ------------------------------------------------------------------------------------------


def test_a_rehearsal_changes_nothing(archive: Archive) -> None:
    assert create(archive, validate_only=True).title == "Emma"
    assert listed(archive) == []
    created = create(archive)
    assert update(archive, book(title="Persuasion"), "title", validate_only=True).title == "Persuasion"
    assert delete(archive, validate_only=True).HasField("delete_time")
    assert get(archive) == created
    with pytest.raises(AlreadyExists):
        create(archive, validate_only=True)


def test_a_rehearsal_does_not_use_up_its_request_id(archive: Archive) -> None:
    create(archive, request_id="r1", validate_only=True)
    assert create(archive, request_id="r1").name == f"{P1}/books/1"


def test_a_rehearsal_does_not_promise_a_name(archive: Archive) -> None:
    request = api.CreateBookRequest(parent=P1, book=book(), validate_only=True)
    assert create_resource(archive.books, request, request.book, f"{P1}/books/made-up").name == ""
    assert create(archive, "wanted", validate_only=True).name == f"{P1}/books/wanted"


def test_a_rehearsal_within_a_transaction_is_undone_alone(archive: Archive) -> None:
    with archive.books.transaction():
        create(archive, "1")
        create(archive, "2", validate_only=True)
    assert listed(archive) == [f"{P1}/books/1"]


# --- Update (AIP-134) -------------------------------------------------------------------------------------------------

FULL = {"isbn": "1-2", "author": AUTHOR, "reviews": {"NYT": "good"}, "pages": 7, "image": "x"}


def test_a_mask_names_what_changes(archive: Archive) -> None:
    before = create(archive, resource=book(**FULL))
    after = update(archive, book(title="Persuasion", pages=9), "title")
    assert (after.title, after.pages, after.author, after.create_time) == ("Persuasion", 7, AUTHOR, before.create_time)
    assert after.update_time.ToDatetime() > before.update_time.ToDatetime()
    assert after.etag != before.etag
    assert get(archive) == after


@pytest.mark.parametrize(
    ("path", "field"), [("pages", "pages"), ("reviews", "reviews"), ("image", "image"), ("author", "author")]
)
def test_what_a_mask_names_and_is_not_set_is_cleared(archive: Archive, path: str, field: str) -> None:
    resource = book(**FULL)
    resource.author.ClearField("country")
    create(archive, resource=resource)
    after = update(archive, book(), path)
    assert field not in [found.name for found, _ in after.ListFields()]


def test_nested_paths(archive: Archive) -> None:
    create(archive, resource=book(author=AUTHOR))
    after = update(archive, book(author={"given_name": "Bo", "family_name": "Ng"}), "author.given_name")
    assert (after.author.given_name, after.author.family_name, after.author.country) == ("Bo", "Lee", "AT")
    assert update(archive, book(), "author.family_name").author.family_name == ""


def test_a_path_into_nothing_makes_nothing(archive: Archive) -> None:
    create(archive)
    assert not update(archive, book(), "author.family_name").HasField("author")


def test_lists_and_maps_are_replaced(archive: Archive) -> None:
    create(archive, resource=book(editors=[AUTHOR, AUTHOR], reviews={"NYT": "good", "FT": "bad"}))
    after = update(archive, book(editors=[AUTHOR], reviews={"FT": "fine"}), "editors", "reviews")
    assert (len(after.editors), dict(after.reviews)) == (1, {"FT": "fine"})


def test_a_star_replaces_everything(archive: Archive) -> None:
    before = create(archive, resource=book(**FULL))
    after = update(archive, book(title="Persuasion", colour="red"), "*")
    assert (after.title, after.WhichOneof("cover"), after.HasField("pages"), dict(after.reviews)) == (
        "Persuasion",
        "colour",
        False,
        {},
    )
    assert (after.isbn, after.uid, after.create_time) == ("1-2", before.uid, before.create_time), "not for clients"


def test_without_a_mask_what_is_set_changes(archive: Archive) -> None:
    create(archive, resource=book(**FULL))
    after = update(archive, api.Book(title="Persuasion", pages=0))
    assert (after.title, after.pages, after.author, after.isbn) == ("Persuasion", 0, AUTHOR, "1-2")


def test_fields_that_this_version_does_not_know_stay(archive: Archive) -> None:
    newer = book()
    newer.MergeFromString(b"\xfa\x3f\x03new")  # field 1023
    create(archive, resource=newer)
    for paths in (["title"], ["*"]):
        update(archive, book(title=paths[0]), *paths)
        assert b"\xfa\x3f\x03new" in get(archive).SerializeToString()


@pytest.mark.parametrize(
    "path", ["nothing", "", "title.x", "author.nothing", "editors.given_name", "reviews.NYT", "book.title"]
)
def test_unknown_paths_are_refused(archive: Archive, path: str) -> None:
    before = create(archive)
    assert refused(lambda: update(archive, book(title="Persuasion"), "title", path)) == ["update_mask"]
    assert get(archive) == before


def test_a_star_stands_alone(archive: Archive) -> None:
    create(archive)
    assert refused(lambda: update(archive, book(), "*", "title")) == ["update_mask"]


def test_what_the_server_owns_is_ignored_in_masks_and_values(archive: Archive) -> None:
    before = create(archive, resource=book(author=AUTHOR), prepare=lambda new: setattr(new.author, "slug", "ann-lee"))
    sent = book(lends=9, uid="mine", author={"given_name": "Bo", "slug": "mine"})
    after = update(archive, sent, "name", "lends", "uid", "etag", "create_time", "author.slug")
    assert after == before
    after = update(archive, sent, "author")
    assert (after.author.given_name, after.author.slug, after.author.country) == ("Bo", "ann-lee", "AT")


def test_immutable_fields_may_be_repeated_and_never_changed(archive: Archive) -> None:
    create(archive, resource=book(isbn="1-2", author=AUTHOR))
    assert update(archive, book(title="Persuasion", isbn="1-2"), "title", "isbn").title == "Persuasion"
    for sent, paths in (
        (book(isbn="2-1"), ["isbn"]),
        (book(isbn="2-1"), ["*"]),
        (book(isbn="2-1"), []),
        (book(), ["isbn"]),
    ):
        assert refused(lambda sent=sent, paths=paths: update(archive, sent, *paths)) == ["book.isbn"]
    sent = book(author={"given_name": "Ann", "country": "DE"})
    assert refused(lambda: update(archive, sent, "author")) == ["book.author.country"]


def test_required_fields_cannot_be_cleared(archive: Archive) -> None:
    create(archive, resource=book(author=AUTHOR))
    assert refused(lambda: update(archive, api.Book(pages=1), "title")) == ["book.title"]
    assert refused(lambda: update(archive, api.Book(pages=1), "*")) == ["book.title"]
    assert refused(lambda: update(archive, book(author={"family_name": "Ng"}), "author")) == ["book.author.given_name"]
    assert refused(lambda: update(archive, book(editors=[{}]), "editors")) == ["book.editors[0].given_name"]


def test_what_was_missing_before_does_not_stop_other_changes(archive: Archive) -> None:
    archive.books.add(f"{P1}/books/1", api.Book(name=f"{P1}/books/1", pages=1))
    assert update(archive, api.Book(pages=2), "pages").pages == 2


def test_an_update_that_changes_nothing_changes_nothing(archive: Archive) -> None:
    before = create(archive, resource=book(**FULL))
    assert update(archive, book(**FULL), "*") == before
    assert update(archive, api.Book()) == before
    assert get(archive) == before


def test_a_stale_etag_aborts(archive: Archive) -> None:
    first = create(archive).etag
    second = update(archive, book(title="Persuasion", etag=first), "title").etag
    with pytest.raises(Aborted) as caught:
        update(archive, book(title="Sanditon", etag=first), "title")
    assert caught.value.reason == "ETAG_MISMATCH"
    assert get(archive).title == "Persuasion"
    assert update(archive, book(title="Sanditon", etag=second), "title").title == "Sanditon"


def test_a_change_there_and_back_is_a_change(archive: Archive) -> None:
    first = create(archive).etag
    update(archive, book(title="Persuasion"), "title")
    assert update(archive, book(title="Emma"), "title").etag != first


def test_of_many_with_the_same_etag_one_comes_through(archive: Archive) -> None:
    etag = create(archive).etag

    def send(number: int) -> bool:
        try:
            update(archive, book(title=f"title {number}", etag=etag), "title")
        except Aborted:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(16))) == 1


def test_missing_is_not_found_unless_it_may_be_missing(archive: Archive) -> None:
    with pytest.raises(NotFound):
        update(archive, book(), "title")
    created = update(archive, book(isbn="1-2", lends=3, etag="whatever"), "title", allow_missing=True)
    assert (created.name, created.isbn, created.lends) == (f"{P1}/books/1", "1-2", 0), "all fields, whatever the mask"
    assert created.HasField("create_time")
    assert get(archive) == created
    assert refused(lambda: update(archive, api.Book(pages=1), own_id="2", allow_missing=True)) == ["book.title"]


def test_a_handler_may_refuse_and_add_to_a_change(archive: Archive) -> None:
    def check(before: Message, after: Message) -> None:
        if before.title == after.title:
            raise FailedPrecondition("the title must change", reason="SAME_TITLE")
        after.lends = before.lends + 1

    create(archive)
    assert update(archive, book(title="Persuasion"), "title", check=check).lends == 1
    with pytest.raises(FailedPrecondition):
        update(archive, book(title="Persuasion"), "title", check=check)


# --- Delete and Undelete (AIP-135, AIP-164) ---------------------------------------------------------------------------


def test_a_deletion_for_good(archive: Archive) -> None:
    request = api.DeleteReaderRequest(id="x")
    archive.readers.add("x", api.Reader(id="x"))
    delete_resource(archive.readers, request, "x")
    with pytest.raises(NotFound):
        get_resource(archive.readers, "x")
    with pytest.raises(NotFound):
        delete_resource(archive.readers, request, "x")
    delete_resource(archive.readers, api.DeleteReaderRequest(id="x", allow_missing=True), "x")


def test_an_etag_protects_from_deletion(archive: Archive) -> None:
    first = create(archive).etag
    second = update(archive, book(title="Persuasion"), "title").etag
    name = f"{P1}/books/1"
    for work in (
        lambda: delete(archive, etag=first),
        lambda: delete_resource(archive.books, api.DeleteBookRequest(name=name, etag=first), name),
    ):
        with pytest.raises(Aborted):
            work()
    assert get(archive).title == "Persuasion"
    delete_resource(archive.books, api.DeleteBookRequest(name=name, etag=second), name)
    delete_resource(archive.books, api.DeleteBookRequest(name=name, etag=second, allow_missing=True), name)


def test_a_deleted_resource_can_still_be_got_and_is_not_listed(archive: Archive) -> None:
    created = create(archive)
    create(archive, "2")
    deleted = delete(archive, etag=created.etag)
    assert deleted.HasField("delete_time")
    assert deleted.purge_time.ToDatetime() - deleted.delete_time.ToDatetime() == timedelta(days=30)
    assert deleted.etag != created.etag
    assert get(archive) == deleted
    assert listed(archive) == [f"{P1}/books/2"]
    assert listed(archive, show_deleted=True) == [f"{P1}/books/1", f"{P1}/books/2"]


def test_what_cannot_be_done_with_a_deleted_resource(archive: Archive) -> None:
    create(archive)
    deleted = delete(archive)
    with pytest.raises(AlreadyExists):
        create(archive)
    with pytest.raises(NotFound):
        delete(archive)
    with pytest.raises(FailedPrecondition):
        update(archive, book(title="Persuasion"), "title", allow_missing=True)
    assert delete(archive, allow_missing=True) == deleted == get(archive)
    assert delete(archive, "2", allow_missing=True) == api.Book()


def test_a_deletion_can_be_taken_back(archive: Archive) -> None:
    created = create(archive)
    deleted = delete(archive)
    with pytest.raises(Aborted):
        undelete(archive, etag=created.etag)
    restored = undelete(archive, etag=deleted.etag)
    assert not restored.HasField("delete_time") and not restored.HasField("purge_time")
    assert restored == get(archive)
    assert listed(archive) == [restored.name]
    with pytest.raises(AlreadyExists):
        undelete(archive)
    with pytest.raises(NotFound):
        undelete(archive, "2")


def test_deleted_resources_are_removed_in_the_end(archive: Archive) -> None:
    create(archive, "1")
    create(archive, "2")
    with archive.books.edit(f"{P1}/books/1") as held:
        held.message.delete_time.FromDatetime(datetime.now(UTC) - timedelta(days=31))
    archive.books._swept = -repository_module._SWEEP_SECONDS
    delete(archive, "2")
    with pytest.raises(NotFound):
        get(archive, "1")
    assert listed(archive, show_deleted=True) == [f"{P1}/books/2"]
    assert create(archive, "1").name in listed(archive)


def test_what_has_children_is_deleted_by_force(archive: Archive) -> None:
    for name in (P1, "publishers/10"):
        archive.publishers.add(name, api.Publisher(name=name))
        create(archive, parent=name)
    request = api.DeletePublisherRequest(name=P1)
    with pytest.raises(FailedPrecondition) as caught:
        delete_resource(archive.publishers, request, P1, children=[archive.books])
    assert caught.value.reason == "HAS_CHILDREN"
    assert get(archive).title == "Emma"
    request.force = True
    delete_resource(archive.publishers, request, P1, children=[archive.books])
    assert listed(archive, "publishers/-") == ["publishers/10/books/1"]
    request = api.DeletePublisherRequest(name="publishers/missing", force=True)
    with pytest.raises(NotFound):
        delete_resource(archive.publishers, request, request.name, children=[archive.books])


# --- List (AIP-132, AIP-158, AIP-159) ---------------------------------------------------------------------------------


@pytest.fixture
def five(archive: Archive) -> Archive:
    for own_id in ("b", "a", "C", "e", "d"):
        create(archive, own_id)
    create(archive, "x", parent=P2)
    create(archive, "y", parent=ANN)
    return archive


@pytest.mark.parametrize(
    ("order_by", "ids"),
    [
        ("", "baCed"),
        ("  ", "baCed"),
        ("name", "Cabde"),
        (" name  asc", "Cabde"),
        ("name desc", "edbaC"),
        ("create_time", "baCed"),
        ("create_time desc", "deCab"),
    ],
)
def test_orders(five: Archive, order_by: str, ids: str) -> None:
    assert listed(five, order_by=order_by) == [f"{P1}/books/{own_id}" for own_id in ids]


def test_equal_times_are_in_the_order_of_creation(archive: Archive) -> None:
    for own_id in "bacd":
        resource = api.Book(name=f"{P1}/books/{own_id}")
        resource.create_time.FromDatetime(datetime(2025, 1, 1, 0, 0, 0, 123456))
        archive.books.add(resource.name, resource)
    assert listed(archive, order_by="create_time") == [f"{P1}/books/{own_id}" for own_id in "bacd"]
    assert listed(archive, order_by="create_time desc") == [f"{P1}/books/{own_id}" for own_id in "dcab"]


@pytest.mark.parametrize("order_by", ["title", "name up", "name,create_time", "name desc desc", "desc", "etag"])
def test_other_orders_are_refused(five: Archive, order_by: str) -> None:
    assert refused(lambda: listed(five, order_by=order_by)) == ["order_by"]


def test_times_are_no_order_of_what_has_none(archive: Archive) -> None:
    request = api.ListReadersRequest(order_by="create_time")
    assert refused(lambda: list_resources(archive.readers, request, key="id")) == ["order_by"]


def test_filters_are_refused(five: Archive) -> None:
    assert refused(lambda: listed(five, filter='title = "Emma"')) == ["filter"]


@pytest.mark.parametrize(
    ("parent", "count"), [(P1, 5), (P2, 1), (ANN, 1), ("publishers/3", 0), ("publishers/-", 6), ("authors/-", 1)]
)
def test_parents(five: Archive, parent: str, count: int) -> None:
    assert len(listed(five, parent)) == count


def test_wildcards_tell_case_apart_and_stay_in_their_segment(archive: Archive) -> None:
    for name in ("a_b/1/books/1", "aXb/1/books/1", "A_B/1/books/1", "a_b/1/shelves/2/books/1"):
        archive.books.add(name, book())
    assert len(archive.books.list(parent="a_b/-").items) == 1


@pytest.mark.parametrize(
    "parent", ["", "publishers", "publishers/", "shelves/1", "publishers/1/books/2", "publishers/a b"]
)
def test_malformed_parents_are_refused(five: Archive, parent: str) -> None:
    assert refused(lambda: listed(five, parent)) == ["parent"]


def test_all_pages_are_counted_where_that_is_asked(five: Archive) -> None:
    delete(five, "a")
    for parent, shown, total in ((P1, False, 4), (P1, True, 5), ("publishers/-", False, 5), (P2, False, 1)):
        request = api.ListBooksRequest(parent=parent, page_size=2, show_deleted=shown)
        assert list_resources(five.books, request, BookName, count=True).total_size == total


def test_a_page_token_is_for_the_same_list(five: Archive) -> None:
    request = api.ListBooksRequest(parent=P1, page_size=2, order_by="name")
    token = list_resources(five.books, request, BookName).next_page_token
    for other in ({"order_by": "name desc"}, {"order_by": ""}, {"parent": P2}, {"show_deleted": True}):
        changed = api.ListBooksRequest()
        changed.CopyFrom(request)
        changed.page_token = token
        for name, value in other.items():
            setattr(changed, name, value)
        assert refused(lambda changed=changed: list_resources(five.books, changed, BookName)) == ["page_token"]


def test_what_a_list_cannot_do_is_refused_by_name(archive: Archive) -> None:
    request = api.ListBooksRequest(parent=P1)
    assert refused(lambda: list_resources(archive.books, request)) == ["parent"]
