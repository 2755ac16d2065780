"""The mutants: one fault each, in the runtime or in a handler, and the check that has to say so.

An edit is a piece of a patch. Its context is in the file exactly once: when the runtime changes, a mutant that no longer
fits says so.
"""

from __future__ import annotations

from tests.mutants.ground import Edit, Mutant

_ERRORS = "gen/runtime/common/errors.py"
_FIELDS = "gen/runtime/store/fields.py"
_HEALTH = "gen/runtime/store/health.py"
_NAMES = "gen/runtime/common/names.py"
_REPLAY = "gen/runtime/store/replay.py"
_REPOSITORY = "gen/runtime/store/repository.py"
_RPC = "gen/runtime/service/rpc.py"
_SERVER = "gen/runtime/store/server.py"
_SPANS = "gen/runtime/common/spans.py"
_STANDARD = "gen/runtime/store/standard.py"
_VALIDATE = "gen/runtime/service/validate.py"


def _catalog(name: str, check: str, *edits: Edit) -> Mutant:
    return Mutant(name, "catalog", f"CatalogService.{check}", edits)


def _orders(name: str, check: str, *edits: Edit) -> Mutant:
    return Mutant(name, "orders", f"OrderService.{check}", edits)


def _archive(name: str, check: str, *edits: Edit) -> Mutant:
    return Mutant(name, "archive", f"Archive.{check}", edits)


def _gifts(name: str, check: str, *edits: Edit) -> Mutant:
    return Mutant(name, "gifts", f"GiftService.{check}", edits)


def _clocks(name: str, check: str, *edits: Edit) -> Mutant:
    return Mutant(name, "clocks", f"ClockService.{check}", edits)


def _cart(name: str, check: str, *edits: Edit) -> Mutant:
    return Mutant(name, "cart", check, edits)


# The sample: what is written and read, pages, batches, errors, traces, retries.
SAMPLE = (
    _catalog(
        "lost write",
        "CreateProduct-created_can_be_got",
        Edit(
            _REPOSITORY,
            """
            +Repository.add = lambda self, name, message: None
            """,
        ),
    ),
    _catalog(
        "dropped field",
        "CreateProduct-returns_what_was_sent",
        Edit(
            _STANDARD,
            """
                 drop_server_owned(created, key)
            +    created.ClearField("price")
                 setattr(created, key, str(name))
            """,
        ),
    ),
    _catalog(
        "rounded price",
        "CreateProduct-returns_what_was_sent",
        Edit(
            _STANDARD,
            """
                 drop_server_owned(created, key)
            +    created.price.nanos = 0
                 setattr(created, key, str(name))
            """,
        ),
    ),
    _catalog(
        "duplicates overwrite",
        "CreateProduct-duplicate_is_already_exists",
        Edit(
            _REPOSITORY,
            """
            +Repository.add = Repository.put
            """,
        ),
    ),
    _catalog(
        "missing is an empty resource",
        "GetProduct-missing_is_not_found",
        Edit(
            _STANDARD,
            """
            -    if found is None:
            -        raise NotFound(name)
            -    return found
            +    return found or resources.message_type()
            """,
        ),
    ),
    _catalog(
        "wrong status",
        "GetProduct-missing_is_not_found",
        Edit(
            _ERRORS,
            """
            -    code = grpc.StatusCode.NOT_FOUND
            +    code = grpc.StatusCode.FAILED_PRECONDITION
            """,
        ),
    ),
    _catalog(
        "swallowed error",
        "DeleteProduct-second_delete_is_not_found",
        Edit(
            _STANDARD,
            """
            -        if not _delete(resources, name, _text(request, "etag")) and not _flag(request, "allow_missing"):
            +        if not _delete(resources, name, _text(request, "etag")) and not True:
            """,
        ),
    ),
    _catalog(
        "deleted only for Get",
        "DeleteProduct-deleted_is_not_listed",
        Edit(
            _REPOSITORY,
            """
            +_delete, _list, _ghosts = Repository.delete, Repository.list, []
            +
            +def _delete_for_get(self, name):
            +    _ghosts.append(self.get(name))
            +    return _delete(self, name)
            +
            +def _list_with_ghosts(self, *arguments, **options):
            +    page = _list(self, *arguments, **options)
            +    ghosts = () if page.next_page_token else _ghosts
            +    return Page((*page.items, *filter(None, ghosts)), page.next_page_token)
            +
            +Repository.delete, Repository.list = _delete_for_get, _list_with_ghosts
            """,
        ),
    ),
    _catalog(
        "malformed names are looked up",
        "GetProduct-malformed_name_is_invalid",
        Edit(
            "handlers/get_product.py",
            """
            -    name = ProductName.parse(request.name)
            +    name = request.name
            """,
        ),
    ),
    _catalog(
        "get creates",
        "GetProduct-get_changes_nothing",
        Edit(
            _STANDARD,
            """
                 found = resources.get(name)
            +    if found is None:
            +        resources.add(name, resources.message_type(name=str(name)))
                 if found is None:
            """,
        ),
    ),
    _catalog(
        "batch in the order of the table",
        "BatchGetProducts-batch_equals_gets",
        Edit(
            _REPOSITORY,
            """
            -        wanted = [str(name) for name in names]
            +        wanted = sorted(str(name) for name in names)
            """,
        ),
    ),
    _catalog(
        "batch leaves out what is missing",
        "BatchGetProducts-batch_get_of_something_missing",
        Edit(
            _STANDARD,
            """
            -            raise NotFound(name, metadata={"name": str(name)})
            +            continue
            """,
        ),
    ),
    _catalog(
        "page off by one",
        "ListProducts-pages_are_complete",
        Edit(
            _REPOSITORY,
            """
            -        token = self._token(_cursor_after(rows[limit - 1], view), view) if len(rows) > limit else ""
            +        token = self._token(_cursor_after(rows[limit], view), view) if len(rows) > limit else ""
            """,
        ),
    ),
    _catalog(
        "page repeats its last",
        "ListProducts-pages_are_complete",
        Edit(
            _REPOSITORY,
            """
            -        token = self._token(_cursor_after(rows[limit - 1], view), view) if len(rows) > limit else ""
            +        token = self._token(_cursor_after(rows[max(limit - 2, 0)], view), view) if len(rows) > limit else ""
            """,
        ),
    ),
    _catalog(
        "page too long",
        "ListProducts-pages_are_complete",
        Edit(
            _REPOSITORY,
            """
            -        items = tuple(self._decode(row.message, row.etag) for row in rows[:limit])
            +        items = tuple(self._decode(row.message, row.etag) for row in rows)
            """,
        ),
    ),
    _catalog(
        "last page forgotten",
        "ListProducts-pages_are_complete",
        Edit(
            _REPOSITORY,
            """
            -        token = self._token(_cursor_after(rows[limit - 1], view), view) if len(rows) > limit else ""
            +        token = self._token(_cursor_after(rows[limit - 1], view), view) if len(rows) > limit + 1 else ""
            """,
        ),
    ),
    _catalog(
        "size of the first page kept",
        "ListProducts-page_size_may_change",
        Edit(
            _REPOSITORY,
            """
            -        items = tuple(self._decode(row.message, row.etag) for row in rows[:limit])
            +        limit = max(limit, 2) if page_token else limit
            +        items = tuple(self._decode(row.message, row.etag) for row in rows[:limit])
            """,
        ),
    ),
    _catalog(
        "any token",
        "ListProducts-foreign_page_token_is_invalid",
        Edit(
            _REPOSITORY,
            """
            -        if not cursor or token != self._token(cursor, view):
            +        if not cursor.isdigit() or token != self._token(cursor, view):
            +            return ''
            +        if not cursor:
            """,
        ),
    ),
    _catalog(
        "negative page size",
        "ListProducts-negative_page_size_is_invalid",
        Edit(
            _REPOSITORY,
            '''
                     """
            +        page_size = abs(page_size)
                     if page_size < 0:
            ''',
        ),
    ),
    _catalog(
        "large pages refused",
        "ListProducts-above_the_maximum_is_lowered",
        Edit(
            _REPOSITORY,
            """
            -        if page_size < 0:
            +        if not 0 <= page_size <= MAX_PAGE_SIZE:
            """,
        ),
    ),
    _catalog(
        "leaked text",
        "CreateProduct-explains_errors",
        Edit(
            _ERRORS,
            """
            -    status = status_pb2.Status(code=stated.code.value[0], message=_text(stated.message))
            +    status = status_pb2.Status(code=stated.code.value[0], message=f"ValueError: {error}")
            """,
        ),
    ),
    _catalog(
        "no reason",
        "GetProduct-explains_errors",
        Edit(
            _ERRORS,
            """
            -    status.details.add().Pack(info)
            """,
        ),
    ),
    _catalog(
        "crash on odd text",
        "CreateProduct-answers_valid_requests",
        Edit(
            "handlers/create_product.py",
            '''
                 """A field that is missing or malformed is INVALID_ARGUMENT; a product that exists already is ALREADY_EXISTS."""
            +    assert request.product.title.encode().isascii() or len(request.product.title) < 50
                 name = ProductName(new_id(request.product_id, field="product_id"))
            ''',
        ),
    ),
    _catalog(
        "new fields refused",
        "CreateProduct-tolerates_unknown_fields",
        Edit(
            _RPC,
            """
            -        if self._rules is not None:
            -            self._rules.check(request)
            +        known = type(request)()
            +        known.CopyFrom(request)
            +        known.DiscardUnknownFields()
            +        if known.ByteSize() != request.ByteSize():
            +            raise InvalidArgument('unknown fields')
            """,
        ),
    ),
    _catalog(
        "required not demanded",
        "CreateProduct-required_is_demanded",
        Edit(
            _FIELDS,
            """
            -    if violations:
            +    if violations and False:
            """,
        ),
    ),
    _catalog(
        "output-only taken over",
        "CreateProduct-create_ignores_output_only",
        Edit(
            _STANDARD,
            """
                 created = copy(resource)
            +    kept = copy(created)
                 drop_server_owned(created, key)
            """,
        ),
        Edit(
            _STANDARD,
            """
            -    if prepare is not None:
            -        prepare(created)
            +    if kept.HasField('create_time'):
            +        created.create_time.CopyFrom(kept.create_time)
            """,
        ),
    ),
    _catalog(
        "broken trace parent",
        "GetProduct-continues_the_trace",
        Edit(
            _SPANS,
            """
            -        context = self.propagator.extract(carrier, Context())
            +        context = self.propagator.extract({}, Context())
            """,
        ),
    ),
    _orders(
        "masks are not checked",
        "UpdateOrder-unknown_path_is_invalid",
        Edit(
            _FIELDS,
            """
            -            split = tuple(_split(resource, path, field) for path in dict.fromkeys(paths))
            +            split = tuple((path,) for path in dict.fromkeys(paths) if path in resource.DESCRIPTOR.fields_by_name)
            """,
        ),
    ),
    _orders(
        "update creates",
        "UpdateOrder-update_of_nothing_is_not_found",
        Edit(
            _STANDARD,
            """
            -                if not _flag(request, "allow_missing"):
            -                    raise NotFound(name)
            """,
        ),
    ),
    _orders(
        "duplicate on retry",
        "CreateOrder-same_request_id_same_answer",
        Edit(
            _STANDARD,
            """
            -    if not request_id:
            +    if request_id or not request_id:
            """,
        ),
    ),
    _orders(
        "one answer for all request ids",
        "CreateOrder-same_request_id_same_answer",
        Edit(
            _REPLAY,
            """
            -    return {"of": request.DESCRIPTOR.full_name, "wanted": request_id}
            +    return {"of": request.DESCRIPTOR.full_name, "wanted": request_id[:0]}
            """,
        ),
        Edit(
            _REPLAY,
            """
            -        row = {"request": key["of"], "request_id": request_id, "digest": digest, "answer": b"", "create_time": now}
            +        row = {"request": key["of"], "request_id": "", "digest": digest, "answer": b"", "create_time": now}
            """,
        ),
        Edit(
            _REPLAY,
            """
            -        if found.digest != digest:
            +        if found.digest != digest and not request_id:
            """,
        ),
    ),
    _cart(
        "not serving",
        "cart-health",
        Edit(
            _HEALTH,
            """
            -            self._servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
            +            self._servicer.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
            """,
        ),
    ),
    _cart(
        "a method that is not there",
        "cart-handlers",
        Edit(
            _SERVER,
            """
            -        route = self._routes.get(details.method)
            +        route = None if details.method.endswith('RemoveItem') else self._routes.get(details.method)
            """,
        ),
    ),
)

# What the sample has no use for: etags, masks of every kind, children, soft delete, constraints, streams.
OTHERS = (
    _archive(
        "stale read",
        "UpdateRecord-changes_only_the_mask",
        Edit(
            _REPOSITORY,
            """
            +_seen = {}
            +_get = Repository.get
            +
            +def _get_once(self, name):
            +    return _seen.setdefault(str(name), _get(self, name))
            +
            +Repository.get = _get_once
            """,
        ),
    ),
    _archive(
        "ignored mask",
        "UpdateRecord-changes_only_the_mask",
        Edit(
            _FIELDS,
            """
            -        self._populated = not paths
            +        self._populated = True
            """,
        ),
    ),
    _archive(
        "no mask means everything",
        "UpdateRecord-no_mask_means_populated",
        Edit(
            _FIELDS,
            """
                     paths = tuple((field.name,) for field, _ in source.ListFields()) if self._populated else self._paths
            +        paths = (*paths, ("note",)) if self._populated else paths
            """,
        ),
    ),
    _archive(
        "star means populated",
        "UpdateRecord-star_replaces_everything",
        Edit(
            _FIELDS,
            """
            -        self._populated = not paths
            +        self._populated = not paths or list(paths) == [_EVERYTHING]
            """,
        ),
    ),
    _archive(
        "etag not compared",
        "UpdateRecord-update_with_a_stale_etag_is_aborted",
        Edit(
            _STANDARD,
            """
            -    if wanted and wanted != held.etag:
            +    if wanted and wanted != held.etag and False:
            """,
        ),
    ),
    _archive(
        "etag of the first version for ever",
        "UpdateRecord-update_with_a_stale_etag_is_aborted",
        Edit(
            _REPOSITORY,
            """
            -            _ETAG: secrets.token_hex(8),
            +            _ETAG: hashlib.blake2b(name.encode(), digest_size=8).hexdigest(),
            """,
        ),
    ),
    _archive(
        "delete looks at no etag",
        "DeleteRecord-delete_with_a_stale_etag_is_aborted",
        Edit(
            _STANDARD,
            """
            -    if not etag:
            +    if etag or not etag:
            """,
        ),
    ),
    _archive(
        "immutable changes",
        "UpdateRecord-immutable_cannot_change",
        Edit(
            _FIELDS,
            """
            -            elif field.immutable and not _is_same(stored, merged, field):
            +            elif False and field.immutable and not _is_same(stored, merged, field):
            """,
        ),
    ),
    _archive(
        "immutable within changes",
        "UpdateRecord-immutable_cannot_change",
        Edit(
            _FIELDS,
            """
            -            elif field.immutable and not _is_same(stored, merged, field):
            +            elif not above and field.immutable and not _is_same(stored, merged, field):
            """,
        ),
    ),
    _archive(
        "output-only updated",
        "UpdateRecord-update_ignores_output_only",
        Edit(
            _FIELDS,
            """
                     source = copy(wanted)
            +        source_checksum = source.checksum
                     drop_server_owned(source, self._key)
            """,
        ),
        Edit(
            _FIELDS,
            """
                     self._keep(stored, merged, source, prefix)
            +        merged.checksum = source_checksum or merged.checksum
                     heads = tuple(".".join(path) for path in paths)
            """,
        ),
    ),
    _archive(
        "an update loses the name",
        "UpdateRecord-the_name_stays",
        Edit(
            _FIELDS,
            """
                     refuse_missing(f"{prefix}{path}" for path in missing(merged) if _concerns(path, heads))
            +        merged.ClearField(self._key)
                     return merged
            """,
        ),
    ),
    _archive(
        "allow_missing ignored by Update",
        "UpdateRecord-allow_missing_creates",
        Edit(
            _STANDARD,
            """
            -                if not _flag(request, "allow_missing"):
            +                if held.message is None:
            """,
        ),
    ),
    _archive(
        "allow_missing ignored by Delete",
        "DeleteRecord-allow_missing_lets_delete_pass",
        Edit(
            _STANDARD,
            """
            -        if not _delete(resources, name, _text(request, "etag")) and not _flag(request, "allow_missing"):
            +        if not _delete(resources, name, _text(request, "etag")) and True:
            """,
        ),
    ),
    _archive(
        "children go unasked",
        "DeleteRecord-children_need_force",
        Edit(
            _STANDARD,
            """
            -    if force:
            +    if force or not force:
            """,
        ),
    ),
    _archive(
        "force keeps the children",
        "DeleteRecord-children_need_force",
        Edit(
            _STANDARD,
            """
                 if force:
            -        child.delete_below(name)
            +        return
            """,
        ),
    ),
    _archive(
        "force deletes the children alone",
        "DeleteRecord-children_need_force",
        Edit(
            _STANDARD,
            """
                         _remove_below(child, name, _flag(request, "force"))
            +        if children and _flag(request, "force"):
            +            return ()
            """,
        ),
    ),
    _archive(
        "order ignored",
        "ListRecords-order_by_is_honest",
        Edit(
            _REPOSITORY,
            """
            -        view = _View(*_order(order_by), below=str(parent), deleted=show_deleted)
            +        _order(order_by)
            +        view = _View(*_order(''), below=str(parent), deleted=show_deleted)
            """,
        ),
    ),
    _archive(
        "any order",
        "ListRecords-order_by_is_honest",
        Edit(
            "handlers/list_records.py",
            '''
             def list_records(request: ListRecordsRequest, context: Context) -> ListRecordsResponse:
            +    request.ClearField('order_by')
                 """A page, an order or anything else that is asked for and cannot be given is INVALID_ARGUMENT."""
            ''',
        ),
    ),
    _archive(
        "any filter",
        "ListRecords-filter_is_honest",
        Edit(
            "handlers/list_records.py",
            '''
             def list_records(request: ListRecordsRequest, context: Context) -> ListRecordsResponse:
            +    request.ClearField('filter')
                 """A page, an order or anything else that is asked for and cannot be given is INVALID_ARGUMENT."""
            ''',
        ),
    ),
    _archive(
        "token of another order",
        "ListRecords-other_arguments_must_not_change",
        Edit(
            _REPOSITORY,
            r"""
            -        sealed = "\0".join((self.table.name, *map(str, view), cursor))
            +        sealed = "\0".join((self.table.name, cursor))
            """,
        ),
    ),
    _archive(
        "all parents are one",
        "ListPages-parents_are_kept_apart",
        Edit(
            _REPOSITORY,
            """
            -        view = _View(*_order(order_by), below=str(parent), deleted=show_deleted)
            +        view = _View(*_order(order_by), below='', deleted=show_deleted)
            """,
        ),
    ),
    _archive(
        "parents are not parsed",
        "CreatePage-malformed_parent_is_invalid",
        Edit(
            _NAMES,
            """
                                 return cls._filled(pattern, (*match.groups(), own_id))
            -        raise cls._no_parent(parent, field)
            +        return cls("x", own_id)

            """,
        ),
    ),
    _archive(
        "half a batch",
        "BatchCreateRecords-batch_create_is_atomic",
        Edit(
            _STANDARD,
            """
            -    return _perform(resources, request, work)
            +    return work()
            """,
        ),
    ),
    _archive(
        "half a batch deleted",
        "BatchDeleteRecords-batch_delete_is_atomic",
        Edit(
            _STANDARD,
            """
            -    return _perform(resources, request, work)
            +    return work()
            """,
        ),
    ),
    _archive(
        "batch backwards",
        "BatchCreateRecords-batch_creates_all",
        Edit(
            _STANDARD,
            """
            -        return tuple(answer for answer in answers if answer is not None)
            +        return tuple(answer for answer in answers[::-1] if answer is not None)
            """,
        ),
    ),
    _archive(
        "batch forgets one",
        "BatchDeleteRecords-batch_deletes_all",
        Edit(
            _STANDARD,
            """
            -        for index, each in enumerate(requests):
            +        for index, each in enumerate(requests[: max(1, len(requests) - 1)]):
            """,
        ),
    ),
    _archive(
        "deleted is listed",
        "UndeletePage-undeleted_is_listed",
        Edit(
            _REPOSITORY,
            """
            -        view = _View(*_order(order_by), below=str(parent), deleted=show_deleted)
            +        view = _View(*_order(order_by), below=str(parent), deleted=True)
            """,
        ),
    ),
    _archive(
        "deleted is gone",
        "UndeletePage-deleted_can_still_be_got",
        Edit(
            _STANDARD,
            """
            -    if found is None:
            +    if found is None or _is_deleted(found):
                     raise NotFound(name)
                 return found
            """,
        ),
    ),
    _archive(
        "undelete of what never was",
        "UndeletePage-undelete_of_nothing_is_not_found",
        Edit(
            _STANDARD,
            """
                         if held.message is None:
            -                raise NotFound(name)
            +                return (resources.message_type(),)
                         restored = held.message
            """,
        ),
    ),
    _archive(
        "undeleted and still marked",
        "UndeletePage-undelete_restores",
        Edit(
            _STANDARD,
            """
            -            for field in ("delete_time", *_purge_fields(restored)):
            +            for field in _purge_fields(restored):
            """,
        ),
    ),
    _archive(
        "undelete of anything",
        "UndeletePage-undelete_of_living_already_exists",
        Edit(
            _STANDARD,
            """
            -            if not _is_deleted(restored):
            +            if not _is_deleted(restored) and False:
            """,
        ),
    ),
    _archive(
        "a rehearsal that counts",
        "CreateRecord-validate_only_creates_nothing",
        Edit(
            _STANDARD,
            """
            -    with resources.rehearsal() if rehearsed else resources.transaction():
            +    with resources.transaction() if rehearsed else resources.transaction():
            """,
        ),
    ),
    _archive(
        "an update that comes late undoes",
        "UpdateRecord-repeated_update_is_done_once",
        Edit(
            _STANDARD,
            """
            -    if not request_id:
            +    if not request_id or "update_mask" in request.DESCRIPTOR.fields_by_name:
            """,
        ),
    ),
    _archive(
        "a repeated delete finds nothing",
        "DeleteRecord-repeated_delete_is_done_once",
        Edit(
            _STANDARD,
            """
            -    if not request_id:
            +    if not request_id or "force" in request.DESCRIPTOR.fields_by_name:
            """,
        ),
    ),
    _archive(
        "a rehearsed update is an update",
        "UpdateRecord-validate_only_updates_nothing",
        Edit(
            _STANDARD,
            """
            -    rehearsed = _flag(request, "validate_only")
            +    rehearsed = _flag(request, "validate_only") and "update_mask" not in request.DESCRIPTOR.fields_by_name
            """,
        ),
    ),
    _archive(
        "a rehearsed delete deletes",
        "DeleteRecord-validate_only_deletes_nothing",
        Edit(
            _STANDARD,
            """
            -    rehearsed = _flag(request, "validate_only")
            +    rehearsed = _flag(request, "validate_only") and "force" not in request.DESCRIPTOR.fields_by_name
            """,
        ),
    ),
    _archive(
        "no create_time",
        "CreateRecord-create_sets_the_times",
        Edit(
            _STANDARD,
            """
            -    _stamp(created, datetime.now(UTC), "create_time", "update_time")
            +    _stamp(created, datetime.now(UTC), "update_time")
            """,
        ),
    ),
    _archive(
        "update_time stays",
        "UpdateRecord-update_moves_update_time",
        Edit(
            _STANDARD,
            """
            -        _stamp(after, datetime.now(UTC), "update_time")
            +        pass
            """,
        ),
    ),
    _archive(
        "create_time moves",
        "UpdateRecord-update_moves_update_time",
        Edit(
            _STANDARD,
            """
            -        _stamp(after, datetime.now(UTC), "update_time")
            +        _stamp(after, datetime.now(UTC), "create_time", "update_time")
            """,
        ),
    ),
    _archive(
        "a batch across parents",
        "BatchGetPages-batch_get_keeps_to_its_parent",
        Edit(
            _STANDARD,
            """
            -    _check_parents(request, names, field)
            """,
        ),
    ),
    _archive(
        "answers that vary",
        "CountWords-repeated_calls_are_answered_alike",
        Edit(
            "handlers/count_words.py",
            """
             from archive.gen.api import CountWordsResponse
            +
            +calls = []
            +

            """,
        ),
        Edit(
            "handlers/count_words.py",
            """
            -    return CountWordsResponse(words=len(request.title.split()))
            +    return CountWordsResponse(words=calls.append(1) or len(calls))
            """,
        ),
    ),
    _gifts(
        "constraints not enforced",
        "CreateGift-broken_constraints_are_refused",
        Edit(
            _VALIDATE,
            """
            -        if found:
            +        if found and False:
            """,
        ),
    ),
    _gifts(
        "one rule forgotten",
        "CreateGift-broken_constraints_are_refused",
        Edit(
            _VALIDATE,
            """
                     for violation in self._validator.collect_violations(request):
            +            if violation.proto.rule_id == 'map.max_pairs':
            +                continue
                         elements = list(violation.proto.field.elements) if violation.proto.field else []
            """,
        ),
    ),
    _gifts(
        "the wrong field blamed",
        "CreateGift-broken_constraints_are_refused",
        Edit(
            _VALIDATE,
            """
            -            raise InvalidArgument(text, reason="CONSTRAINT_VIOLATED", violations=found)
            +            raise InvalidArgument(text, reason="CONSTRAINT_VIOLATED", violations={'gift.name': text})
            """,
        ),
    ),
    _gifts(
        "answers break the rules",
        "GetGift-responses_keep_constraints",
        Edit(
            "handlers/get_gift.py",
            """
            -    return get_resource(context.app.gifts, name)
            +    gift = get_resource(context.app.gifts, name)
            +    gift.pieces = 0
            +    return gift
            """,
        ),
    ),
    _clocks(
        "swapped stream order",
        "WatchClock-watch_shows_changes_in_order",
        Edit(
            "handlers/watch_clock.py",
            """
            -            yield clock
            +            held.append(clock)
            +            if len(held) == 1:
            +                yield clock
            +            if len(held) == 3:
            +                yield held[2]
            +                yield held[1]
            """,
        ),
        Edit(
            "handlers/watch_clock.py",
            """
                 shown = None
            +    held = []
                 while context.is_active():
            """,
        ),
    ),
    _clocks(
        "watch begins with the next change",
        "WatchClock-watch_begins_with_what_is",
        Edit(
            "handlers/watch_clock.py",
            """
            -    shown = None
            +    shown = context.app.clocks.get(name)
            """,
        ),
    ),
    _clocks(
        "watch of nothing waits",
        "WatchClock-watch_of_nothing_is_not_found",
        Edit(
            "handlers/watch_clock.py",
            """
            -            raise NotFound(name)
            +            time.sleep(0.01)
            +            continue
            """,
        ),
    ),
    _clocks(
        "answers get lost between slow requests",
        "EchoTicks-pace_changes_nothing",
        Edit(
            "handlers/echo_ticks.py",
            """
             def echo_ticks(requests, context):
            +    import time
            +
            +    at = time.monotonic()
                 for tick in requests:
            -        yield tick
            +        if time.monotonic() - at < 0.005:
            +            yield tick
            +        at = time.monotonic()
            """,
        ),
    ),
    _clocks(
        "quick senders lose messages",
        "SumTicks-pace_changes_nothing",
        Edit(
            "handlers/sum_ticks.py",
            """
            -    ticks = [tick.number for tick in requests]
            +    import time
            +
            +    ticks, at = [], 0.0
            +    for tick in requests:
            +        if time.monotonic() - at > 0.005:
            +            ticks.append(tick.number)
            +        at = time.monotonic()
            """,
        ),
    ),
    _clocks(
        "hangs before the first message",
        "CountTicks-streams_end_or_go_on",
        Edit(
            "handlers/count_ticks.py",
            """
             def count_ticks(request, context):
            +    while request.ticks and context.is_active():
            +        context.wait(0.1)
                 for number in range(request.ticks % 100):
            """,
        ),
    ),
    _clocks(
        "hangs on the way",
        "CountTicks-streams_end_or_go_on",
        Edit(
            "handlers/count_ticks.py",
            """
                     yield Tick(number=number, label=request.label)
            +        while number == 2 and context.is_active():
            +            context.wait(0.1)
            """,
        ),
    ),
    _clocks(
        "hangs after the end of the requests",
        "EchoTicks-streams_end_or_go_on",
        Edit(
            "handlers/echo_ticks.py",
            """
                     yield tick
            +    while context.wait(0.1):
            +        pass
            """,
        ),
    ),
    _clocks(
        "a slow reader misses the beginning",
        "WatchClock-pace_changes_nothing",
        Edit(
            "handlers/watch_clock.py",
            """
                     if clock != shown:
            +            shown = clock if shown is None and next(_calls) % 3 == 2 else shown
            +        if clock != shown:
                         yield clock
            """,
        ),
        Edit("handlers/watch_clock.py", "+import itertools\n+_calls = itertools.count()"),
    ),
    _clocks(
        "crash on an empty stream",
        "SumTicks-half_close_is_answered",
        Edit(
            "handlers/sum_ticks.py",
            """
                 ticks = [tick.number for tick in requests]
            +    ticks[0]
                 return Sum(total=sum(ticks), ticks=len(ticks))
            """,
        ),
    ),
    _clocks(
        "waits for more after the end",
        "SumTicks-half_close_is_answered",
        Edit(
            "handlers/sum_ticks.py",
            """
                 ticks = [tick.number for tick in requests]
            +    import time
            +
            +    while len(ticks) == 3 and context.is_active():
            +        time.sleep(0.05)
                 return Sum(total=sum(ticks), ticks=len(ticks))
            """,
        ),
    ),
    _clocks(
        "garbage is the end of the stream",
        "SumTicks-garbage_ends_the_stream",
        Edit(
            "handlers/sum_ticks.py",
            """
            -    ticks = [tick.number for tick in requests]
            +    ticks = []
            +    try:
            +        for tick in requests:
            +            ticks.append(tick.number)
            +    except Exception:
            +        pass
            """,
        ),
    ),
    _clocks(
        "cancelled work goes on",
        "WatchClock-cancelling_ends_the_work",
        Edit(
            "handlers/watch_clock.py",
            """
            -    while context.is_active():
            +    ending = time.monotonic() + 8
            +    while time.monotonic() < ending:
            """,
        ),
        Edit(
            "handlers/watch_clock.py",
            """
                         yield clock
            +            time.sleep(5)
                         shown = clock
            """,
        ),
    ),
    _clocks(
        "work beyond the deadline",
        "WatchClock-the_deadline_ends_the_work",
        Edit(
            "handlers/watch_clock.py",
            """
                         yield clock
            +            time.sleep(5)
                         shown = clock
            """,
        ),
    ),
    _clocks(
        "cancelled calls hold their threads",
        "WatchClock-cancelling_frees_the_server",
        Edit(
            "handlers/watch_clock.py",
            """
                         yield clock
            +            time.sleep(20)
                         shown = clock
            """,
        ),
    ),
)

MUTANTS = (*SAMPLE, *OTHERS)
