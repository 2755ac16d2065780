"""The standard methods of a store (https://google.aip.dev/130): what there is to do beside finding the name.

A handler says which resource is meant and calls one of these functions; its own rules go into ``prepare`` and ``check``.
What else the request asks for is read from its fields, by the names that the API Improvement Proposals give them: ``etag``
(154), ``request_id`` (155), ``allow_missing`` (134, 135), ``validate_only`` (163), ``order_by`` and ``filter`` (132),
``show_deleted`` (164), ``force`` (135). An API that gains such a field has what it stands for, and no handler changes.

Whatever a function does is one transaction: it happens as a whole, with the answer to its ``request_id``, or not at all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from ..common import messages
from ..common.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from ..common.names import ResourceName, parent_of
from .fields import Mask, copy, copy_field, drop_server_owned, fields_of, missing, refuse_missing, server_owned
from .repository import RETENTION, is_wildcard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from .replay import Answers
    from .repository import Held, Page

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Message)

Name = str | ResourceName

# What a batch does not say for each of its requests: it is the batch that is tried, and answered once.
_OF_ITS_OWN = ("request_id", "validate_only")

_UID = "uid"

#: How many resources a batch has at most (https://google.aip.dev/231, 233, 235).
MAX_BATCH = 1000


class Resources(Protocol[M]):
    """What the standard methods need of a repository: what a class with a schema of your own has to have."""

    @property
    def message_type(self) -> type[M]:
        """The class of the resources."""

    @property
    def answers(self) -> Answers:
        """What requests with a request_id were answered."""

    def transaction(self) -> AbstractContextManager[object]:
        """Make one step of all that is done inside."""

    def rehearsal(self) -> AbstractContextManager[object]:
        """Undo all that is done inside, once it is done."""

    def get(self, name: Name, /) -> M | None:
        """The resource of that name, or None; with its etag."""

    def get_many(self, names: Sequence[Name], /) -> tuple[M | None, ...]:
        """The resources of those names, in that order."""

    def list(
        self,
        page_size: int = 0,
        page_token: str = "",
        parent: str | ResourceName = "",
        *,
        order_by: str = "",
        show_deleted: bool = False,
        count: bool = False,
    ) -> Page[M]:
        """A page of resources; see :meth:`Repository.list`."""

    def add(self, name: Name, message: M, /) -> None:
        """Keep a new resource and fill in its etag. Raises :class:`AlreadyExists`."""

    def delete(self, name: Name, /) -> bool:
        """Remove a resource; whether there was one."""

    def edit(self, name: Name, /) -> AbstractContextManager[Held[M]]:
        """Read a resource, change it and write it back, while nobody else can."""


class Descendants(Protocol):
    """What a Delete needs of the repositories of what belongs to the resource."""

    def has_below(self, name: Name, /) -> bool:
        """Whether there are resources below that name."""

    def delete_below(self, name: Name, /) -> None:
        """Remove them."""


def get_resource(resources: Resources[M], name: Name) -> M:
    """The resource of that name (https://google.aip.dev/131), also when it is deleted and can be undeleted (AIP-164).

    Raises :class:`NotFound`.
    """
    found = resources.get(name)
    if found is None:
        raise NotFound(name)
    return found


def list_resources(
    resources: Resources[M],
    request: Message,
    names: type[ResourceName] | None = None,
    *,
    key: str = "name",
    count: bool = False,
) -> Page[M]:
    """A page of resources (https://google.aip.dev/132, https://google.aip.dev/158).

    ``names`` is the class of their names, where the request has a ``parent``; ``key`` the resource's field for its name.
    ``order_by`` may be the key or ``create_time``, with ``desc`` or without. ``count`` asks for the page's ``total_size``.

    Raises :class:`InvalidArgument` for a ``parent`` that does not fit, for what :meth:`Repository.list` refuses, and for
    everything that is asked for and not done here: a ``filter``, another order, any further field.
    """
    refuse_missing(missing(request))
    done = {"page_size", "page_token", "order_by", "show_deleted"} | ({"parent"} if names else set())
    for field, _ in request.ListFields():
        if field.name not in done:
            raise InvalidArgument(f"{field.name} is not supported", field=field.name)
    parent = _text(request, "parent")
    return resources.list(
        int(getattr(request, "page_size", 0)),
        _text(request, "page_token"),
        names.check_parent(parent) if names and parent else "",
        order_by=_order(_text(request, "order_by"), resources.message_type, key),
        show_deleted=_flag(request, "show_deleted"),
        count=count,
    )


def create_resource(
    resources: Resources[M],
    request: Message,
    resource: M,
    name: Name,
    *,
    key: str = "name",
    prepare: Callable[[M], None] | None = None,
) -> M:
    """Keep a new resource (https://google.aip.dev/133) and return it as it is kept.

    ``resource`` is what the request brings: what is OUTPUT_ONLY in it is ignored, ``key`` becomes the name, and
    ``create_time``, ``update_time``, ``uid`` and ``etag`` are set where it has them. ``prepare`` may set more, or refuse.

    Raises :class:`InvalidArgument` when something REQUIRED is not there, :class:`AlreadyExists` when the name is taken.
    """
    prefix = _prefix(request, resource)
    refuse_missing([*_missing_beside(request, prefix), *_missing_in_new(resource, key, prefix)])

    def work() -> tuple[M]:
        created = _created(resource, name, key, prepare)
        resources.add(name, created)
        return (created,)

    (created,) = _perform(resources, request, work)
    if _flag(request, "validate_only") and not _is_chosen(request, resource, name, key):
        # The real call will make another one (AIP-163).
        created.ClearField(key)
    return created


def update_resource(
    resources: Resources[M],
    request: Message,
    resource: M,
    name: Name,
    *,
    key: str = "name",
    prepare: Callable[[M], None] | None = None,
    check: Callable[[M, M], None] | None = None,
) -> M:
    """Change the fields of a resource that the request's mask names (https://google.aip.dev/134), and return it.

    ``*`` names all fields; no mask names those that are set in ``resource``. OUTPUT_ONLY fields are ignored, IMMUTABLE
    ones may be there unchanged. ``check`` is called with the resource as it was and as it will be, which it may change or
    refuse. With ``allow_missing`` a resource that is not there is created, and ``prepare`` called with it.

    Raises :class:`InvalidArgument` for a mask or a value that cannot be, :class:`NotFound`, :class:`Aborted` when the
    resource's ``etag`` is not the current one, :class:`FailedPrecondition` when it is deleted.
    """
    prefix = _prefix(request, resource)
    etag = [f"{prefix}{path}" for path in missing(resource) if path == "etag"]
    refuse_missing([*_missing_beside(request, prefix), *etag])
    mask = _mask(request, resource, key)

    def work() -> tuple[M]:
        with resources.edit(name) as held:
            if held.message is None:
                if not _flag(request, "allow_missing"):
                    raise NotFound(name)
                refuse_missing(_missing_in_new(resource, key, prefix))
                held.message = _created(resource, name, key, prepare)
            else:
                check_etag(_text(resource, "etag"), held)
                _check_not_deleted(held.message, name)
                held.message = _updated(held.message, mask.apply(held.message, resource, prefix), check)
        return (held.message,)

    (updated,) = _perform(resources, request, work)
    return updated


def delete_resource(
    resources: Resources[M], request: Message, name: Name, *, children: Sequence[Descendants] = ()
) -> None:
    """Remove a resource for good (https://google.aip.dev/135).

    ``children`` are the repositories of what belongs to such resources: what is in them below ``name`` goes as well when
    the request says ``force``.

    Raises :class:`NotFound` unless the request says ``allow_missing``, :class:`Aborted` when its ``etag`` is not the
    current one, :class:`FailedPrecondition` when there are children and it does not say ``force``.
    """
    refuse_missing(missing(request))

    def work() -> tuple[M, ...]:
        for child in children:
            _remove_below(child, name, _flag(request, "force"))
        if not _delete(resources, name, _text(request, "etag")) and not _flag(request, "allow_missing"):
            raise NotFound(name)
        return ()

    _perform(resources, request, work)


def soft_delete_resource(resources: Resources[M], request: Message, name: Name) -> M:
    """Mark a resource as deleted (https://google.aip.dev/164) and return it: its ``delete_time`` is set.

    It is removed for good after :data:`RETENTION`, its ``purge_time``. Until then its name stays taken. With
    ``allow_missing`` what is deleted already stays as it is, and an empty message stands for what is not there.

    Raises :class:`NotFound` when it is not there or deleted already, :class:`Aborted` for another ``etag``.
    """
    refuse_missing(missing(request))

    def work() -> tuple[M]:
        with resources.edit(name) as held:
            deleted = held.message
            if deleted is not None and not _is_deleted(deleted):
                check_etag(_text(request, "etag"), held)
                now = datetime.now(UTC)
                _stamp(deleted, now, "delete_time", "update_time")
                _stamp(deleted, now + RETENTION, *_purge_fields(deleted))
            elif not _flag(request, "allow_missing"):
                raise NotFound(name)
        return (resources.message_type() if deleted is None else deleted,)

    (deleted,) = _perform(resources, request, work)
    return deleted


def undelete_resource(resources: Resources[M], request: Message, name: Name) -> M:
    """Take a deletion back (https://google.aip.dev/164) and return the resource.

    Raises :class:`NotFound`, :class:`AlreadyExists` when it is not deleted, :class:`Aborted` for another ``etag``.
    """
    refuse_missing(missing(request))

    def work() -> tuple[M]:
        with resources.edit(name) as held:
            if held.message is None:
                raise NotFound(name)
            restored = held.message
            if not _is_deleted(restored):
                raise AlreadyExists(name, message=f'"{name}" is not deleted')
            check_etag(_text(request, "etag"), held)
            for field in ("delete_time", *_purge_fields(restored)):
                restored.ClearField(field)
            _stamp(restored, datetime.now(UTC), "update_time")
        return (restored,)

    (restored,) = _perform(resources, request, work)
    return restored


def batch_get_resources(
    resources: Resources[M], request: Message, names: Sequence[Name], *, field: str = "names", most: int = MAX_BATCH
) -> tuple[M, ...]:
    """The resources of those names, in that order (https://google.aip.dev/231): all of them, or none.

    ``field`` is the request's field with the names.

    Raises :class:`InvalidArgument` for no names, more than ``most``, or one that is not below the request's ``parent``,
    :class:`NotFound` when one is missing.
    """
    refuse_missing(missing(request))
    _check_count(len(names), field, most)
    _check_parents(request, names, field)
    found = []
    for name, resource in zip(names, resources.get_many(names), strict=True):
        if resource is None:
            raise NotFound(name, metadata={"name": str(name)})
        found.append(resource)
    return tuple(found)


def batch_create_resources(
    resources: Resources[M], request: Message, requests: Sequence[R], create: Callable[[R], M], *, most: int = MAX_BATCH
) -> tuple[M, ...]:
    """What ``create`` makes of each of the requests (https://google.aip.dev/233): all of them, or none.

    Fields that the batch and its requests share, ``parent`` above all, may be set in either, or in both to the same.

    Raises :class:`InvalidArgument` for no requests, more than ``most``, or one that contradicts the batch, and whatever
    ``create`` raises, with the place of the request in the names of fields.
    """
    return _batch(resources, request, requests, create, "requests", most)


def batch_delete_resources(
    resources: Resources[M],
    request: Message,
    requests: Sequence[R],
    delete: Callable[[R], object],
    *,
    field: str = "requests",
    most: int = MAX_BATCH,
) -> tuple[M, ...]:
    """Do ``delete`` for each of the requests (https://google.aip.dev/235): for all, or for none.

    ``field`` is the field of the batch that they come from; where that has names instead, ``requests`` are made of them.
    The resources that ``delete`` answers with come back: those that can be undeleted.

    Raises :class:`InvalidArgument` for no requests, more than ``most``, or one that contradicts the batch, and whatever
    ``delete`` raises, with the place of the request in the names of fields.
    """
    _check_parents(request, [_text(each, "name") for each in requests], field)

    def deleted(each: R) -> M | None:
        answer = delete(each)
        return answer if isinstance(answer, resources.message_type) else None

    return _batch(resources, request, requests, deleted, field, most)


def once(resources: Resources[M], request: Message, work: Callable[[], M]) -> M:
    """Do ``work`` unless a request with this ``request_id`` was answered already: then that answer (AIP-155).

    For methods that are not standard ones. ``work`` and its answer are one transaction; what the caller asked for with
    ``validate_only`` is done and undone (https://google.aip.dev/163).

    Raises :class:`InvalidArgument` for a malformed ``request_id``, or one that another request has used.
    """
    (answer,) = _perform(resources, request, lambda: (work(),))
    return answer


def check_etag(wanted: str, held: Held[M]) -> None:
    """Make sure that nobody has changed what is held since it had the etag ``wanted``; an empty one is not checked.

    Raises :class:`Aborted` (https://google.aip.dev/154).
    """
    if wanted and wanted != held.etag:
        raise Aborted(f'"{held.name}" has changed since that etag: read it again', reason="ETAG_MISMATCH")


def _perform(resources: Resources[M], request: Message, work: Callable[[], tuple[M, ...]]) -> tuple[M, ...]:
    """Do it once and as a whole, or only see whether it could be done."""
    rehearsed = _flag(request, "validate_only")
    with resources.rehearsal() if rehearsed else resources.transaction():
        return _once(resources, request, work)


def _once(resources: Resources[M], request: Message, work: Callable[[], tuple[M, ...]]) -> tuple[M, ...]:
    request_id = _text(request, "request_id")
    if not request_id:
        return work()
    answered = resources.answers.claim(request, request_id)
    if answered is not None:
        return tuple(messages.decode(resources.message_type, data) for data in answered)
    answer = work()
    resources.answers.keep(request, request_id, [messages.encode(part) for part in answer])
    return answer


def _created(resource: M, name: Name, key: str, prepare: Callable[[M], None] | None) -> M:
    """A new resource from what a request brings."""
    created = copy(resource)
    drop_server_owned(created, key)
    setattr(created, key, str(name))
    _stamp(created, datetime.now(UTC), "create_time", "update_time")
    if any(field.name == _UID and field.output_only and not field.message for field in fields_of(created.DESCRIPTOR)):
        setattr(created, _UID, str(uuid4()))
    if prepare is not None:
        prepare(created)
    return created


def _updated(before: M, after: M, check: Callable[[M, M], None] | None) -> M:
    """What a resource becomes; where nothing changes, as it was to the last bit (https://google.aip.dev/134)."""
    if check is not None:
        check(before, after)
    if after != before:
        _stamp(after, datetime.now(UTC), "update_time")
    return after


def _delete(resources: Resources[M], name: Name, etag: str) -> bool:
    if not etag:
        return resources.delete(name)
    with resources.edit(name) as held:
        found = held.message is not None
        if found:
            check_etag(etag, held)
            held.message = None
    return found


def _remove_below(child: Descendants, name: Name, force: bool) -> None:
    if force:
        child.delete_below(name)
    elif child.has_below(name):
        raise FailedPrecondition(
            f'there is something below "{name}": delete that first, or use force', reason="HAS_CHILDREN"
        )


def _batch(
    resources: Resources[M],
    request: Message,
    requests: Sequence[R],
    do: Callable[[R], M | None],
    field: str,
    most: int,
) -> tuple[M, ...]:
    """Do something for each of the requests, in one transaction."""
    refuse_missing(path for path in missing(request) if "." not in path)
    _check_count(len(requests), field, most)

    def work() -> tuple[M, ...]:
        answers = []
        for index, each in enumerate(requests):
            place = f"{field}[{index}]"
            try:
                answers.append(do(_hoisted(request, each)))
            except InvalidArgument as error:
                raise _at(place, error, inside=field == "requests") from error
        return tuple(answer for answer in answers if answer is not None)

    return _perform(resources, request, work)


def _hoisted(batch: Message, each: R) -> R:
    """One of a batch's requests, with what the batch says for all (https://google.aip.dev/233)."""
    filled = copy(each)
    for name in _shared(batch, each):
        value = getattr(batch, name)
        if name in (field.name for field, _ in each.ListFields()):
            own = getattr(each, name)
            if not _fits(own, value) if name == "parent" else own != value:
                raise InvalidArgument(f"{name} is not that of the batch", field=name)
        elif name != "parent" or not is_wildcard(value):
            copy_field(batch, filled, name)
    return filled


def _shared(batch: Message, each: Message) -> list[str]:
    """The fields that are set in a batch and may be set in its requests as well."""
    own = each.DESCRIPTOR.fields_by_name
    return [
        field.name
        for field, _ in batch.ListFields()
        if field.name in own
        and field.name not in _OF_ITS_OWN
        and (field.type, field.message_type) == (own[field.name].type, own[field.name].message_type)
    ]


def _at(place: str, error: InvalidArgument, *, inside: bool) -> InvalidArgument:
    """The error about one of a batch's requests as one about the batch: with its place in the names of the fields."""
    violations = {}
    for detail in error.details:
        if isinstance(detail, error_details_pb2.BadRequest):
            for each in detail.field_violations:
                violations[f"{place}.{each.field}" if inside else place] = each.description
    message = f"{place}: {error.message}"
    return InvalidArgument(message, violations=violations, reason=error.reason, metadata=error.metadata)


def _check_count(count: int, field: str, most: int) -> None:
    if not 1 <= count <= most:
        raise InvalidArgument(f"{field}: 1 to {most} at once, not {count}", field=field)


def _check_parents(request: Message, names: Sequence[Name], field: str) -> None:
    """Make sure that all names are below the batch's parent, where it has one."""
    parent = _text(request, "parent")
    for index, name in enumerate(names):
        if parent and not _fits(parent_of(str(name)), parent):
            raise InvalidArgument(f'"{name}" is not below "{parent}"', field=f"{field}[{index}]")


def _fits(parent: str, wanted: str) -> bool:
    """Whether a parent is the one that is wanted, in which ``-`` is any id (https://google.aip.dev/159)."""
    own, others = parent.split("/"), wanted.split("/")
    return len(own) == len(others) and all(other in ("-", one) for one, other in zip(own, others, strict=True))


def _check_not_deleted(resource: Message, name: Name) -> None:
    if _is_deleted(resource):
        raise FailedPrecondition(f'"{name}" is deleted: undelete it first', reason="RESOURCE_DELETED")


def _is_deleted(resource: Message) -> bool:
    return _has_time(resource, "delete_time") and resource.HasField("delete_time")


def _missing_beside(request: Message, prefix: str) -> Iterator[str]:
    """What is REQUIRED and missing in a request, apart from the resource in it."""
    return (path for path in missing(request) if not prefix or not path.startswith(prefix))


def _missing_in_new(resource: Message, key: str, prefix: str) -> Iterator[str]:
    """What is REQUIRED and missing in a new resource, apart from what the server sets."""
    owned = server_owned(resource, key)
    return (f"{prefix}{path}" for path in missing(resource) if path not in owned)


def _prefix(request: Message, resource: Message) -> str:
    """What a request calls the resource in it, with a dot after it; empty where it holds none."""
    kind = resource.DESCRIPTOR.full_name
    fields = (field for field in fields_of(request.DESCRIPTOR) if field.message and not field.repeated)
    return next((f"{field.name}." for field in fields if field.message and field.message.full_name == kind), "")


def _mask(request: Message, resource: Message, key: str) -> Mask:
    """The request's field mask; an empty one where it has none."""
    for field, value in request.ListFields():
        if isinstance(value, FieldMask):
            return Mask(resource, value.paths, key, field=field.name)
    return Mask(resource, (), key)


def _order(order_by: str, message_type: type[Message], key: str) -> str:
    """The order as a repository takes it: there every key is called ``name``."""
    if not order_by.strip():
        return ""
    column, *direction = order_by.split()
    orders = {key: "name"} | ({"create_time": "create_time"} if _has_time(message_type(), "create_time") else {})
    if column not in orders or direction not in ([], ["asc"], ["desc"]):
        raise InvalidArgument(f'order_by is one of {", ".join(orders)}, with " desc" or without', field="order_by")
    return " ".join((orders[column], *direction))


def _purge_fields(resource: Message) -> tuple[str, ...]:
    """The field that says when a deleted resource goes for good: expire_time is what AIP-164 called it at first."""
    if _has_time(resource, "purge_time"):
        return ("purge_time",)
    output_only = any(field.name == "expire_time" and field.output_only for field in fields_of(resource.DESCRIPTOR))
    return ("expire_time",) if output_only and _has_time(resource, "expire_time") else ()


def _stamp(resource: Message, instant: datetime, *names: str) -> None:
    """Set fields to a time, where the resource has them."""
    for name in names:
        if _has_time(resource, name):
            getattr(resource, name).FromDatetime(instant)


def _has_time(resource: Message, name: str) -> bool:
    return isinstance(getattr(resource, name, None), Timestamp)


def _text(request: Message, name: str) -> str:
    """The string in a field, empty where the request has no such field."""
    value = getattr(request, name, "")
    return value if isinstance(value, str) else ""


def _flag(request: Message, name: str) -> bool:
    """Whether the request has a boolean field of that name, and it is set."""
    return getattr(request, name, False) is True


def _is_chosen(request: Message, resource: Message, name: Name, key: str) -> bool:
    """Whether the name of a new resource was the caller's choice."""
    own_id = str(name).rpartition("/")[2]
    wanted = [value for _, value in request.ListFields() if isinstance(value, str)]
    return own_id in (*wanted, getattr(resource, key))
