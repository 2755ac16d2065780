"""The laws of the standard methods, and what shows each: the table in docs/reference/standard-methods.md is made of them.

``tests/docs/test_laws.py`` holds them against the code: every check, fault and test that is named exists, every check
about a standard method is named, and no law stands there without something that breaks when it is broken.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Law:
    """A law: of which methods, what it says, the AIPs it is from, and where it is kept in ``gen/runtime``.

    ``checks`` are those of the contract suite that show it, ``faults`` mutants that these catch (``tests/mutants``), and
    ``tests`` those of the runtime itself, ``file::function``, for what a suite cannot ask of every service.
    """

    methods: str
    says: str
    aips: tuple[int, ...]
    where: tuple[str, ...]
    checks: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    def row(self) -> str:
        """Its row of the table."""
        aips = ", ".join(f"[{number}](https://google.aip.dev/{number})" for number in self.aips)
        where = ", ".join(f"`{name}`" for name in self.where)
        checks = ", ".join(f"`{check}`" for check in self.checks)
        tests = ", ".join(f"`{test}`" for test in self.tests)
        shown = f"{checks}: catches *{'*, *'.join(self.faults)}*" if self.faults else checks
        return f"| {self.methods} | {self.says} | {aips} | {where} | {'; '.join(filter(None, (shown, tests)))} |"


LAWS = (
    Law(
        "all",
        "a malformed name is INVALID_ARGUMENT and names the field",
        (122,),
        ("ResourceName.parse",),
        ("malformed_name_is_invalid", "malformed_parent_is_invalid"),
        ("malformed names are looked up", "parents are not parsed"),
        ("test_names.py::test_names_of_another_form_are_refused",),
    ),
    Law(
        "all",
        "a resource may have several patterns; names of each are taken",
        (123,),
        ("ResourceName.parse", "under"),
        tests=(
            "test_names.py::test_names_of_all_patterns_are_taken",
            "test_standard.py::test_a_resource_lives_under_any_of_its_patterns",
        ),
    ),
    Law(
        "all",
        "`etag` is filled in on every read and write, and another one after every change",
        (154,),
        ("repository",),
        ("update_with_a_stale_etag_is_aborted",),
        ("etag of the first version for ever",),
        ("test_repository.py::test_every_change_gives_another_etag",),
    ),
    Law(
        "all that change",
        "`etag` given and not the current one: ABORTED, `ETAG_MISMATCH`",
        (134, 154),
        ("check_etag",),
        ("update_with_a_stale_etag_is_aborted", "delete_with_a_stale_etag_is_aborted"),
        ("etag not compared", "delete looks at no etag"),
    ),
    Law(
        "all that change",
        "a `request_id` again: the first answer, and nothing is done twice",
        (155,),
        ("replay",),
        ("same_request_id_same_answer", "repeated_update_is_done_once", "repeated_delete_is_done_once"),
        ("duplicate on retry", "an update that comes late undoes", "a repeated delete finds nothing"),
    ),
    Law(
        "all that change",
        "a `request_id` again for another request: INVALID_ARGUMENT",
        (155,),
        ("replay",),
        ("same_request_id_same_answer",),
        ("one answer for all request ids",),
        ("test_standard.py::test_a_request_id_stands_for_one_request_of_one_kind",),
    ),
    Law(
        "all that change",
        "`validate_only`: the same answer, and nothing is changed",
        (163,),
        ("Repository.rehearsal",),
        ("validate_only_creates_nothing", "validate_only_updates_nothing", "validate_only_deletes_nothing"),
        ("a rehearsal that counts", "a rehearsed update is an update", "a rehearsed delete deletes"),
    ),
    Law(
        "all that change",
        "what is REQUIRED and missing is INVALID_ARGUMENT, each field named, also in messages within",
        (203,),
        ("fields.missing",),
        ("required_is_demanded",),
        ("required not demanded",),
        ("test_standard.py::test_required_fields_cannot_be_cleared",),
    ),
    Law(
        "all that change",
        "OUTPUT_ONLY fields of a request are ignored, also in messages within",
        (203,),
        ("fields",),
        ("create_ignores_output_only", "update_ignores_output_only"),
        ("output-only taken over", "output-only updated"),
        ("test_standard.py::test_output_only_fields_of_a_request_are_ignored",),
    ),
    Law(
        "Get",
        "what is missing is NOT_FOUND",
        (131,),
        ("get_resource",),
        ("missing_is_not_found",),
        ("missing is an empty resource", "wrong status"),
    ),
    Law("Get", "changes nothing", (131,), ("get_resource",), ("get_changes_nothing",), ("get creates",)),
    Law(
        "Get",
        "what is deleted and can be undeleted is returned",
        (164,),
        ("get_resource",),
        ("deleted_can_still_be_got",),
        ("deleted is gone",),
    ),
    Law(
        "Get, List, BatchGet",
        "asked again, they answer the same",
        (130,),
        ("standard",),
        ("repeated_calls_are_answered_alike",),
        ("answers that vary",),
    ),
    Law(
        "List",
        "pages are complete, without repetitions; only an empty token means the end",
        (158,),
        ("Repository.list",),
        ("pages_are_complete",),
        ("page off by one", "page repeats its last", "last page forgotten"),
    ),
    Law(
        "List",
        "`page_size` 0 is 50, more than 1000 is 1000, below 0 INVALID_ARGUMENT; it may change from page to page",
        (158,),
        ("Repository.list",),
        ("negative_page_size_is_invalid", "above_the_maximum_is_lowered", "page_size_may_change"),
        ("negative page size", "large pages refused", "size of the first page kept"),
        ("test_repository.py::test_page_sizes",),
    ),
    Law(
        "List",
        "a `page_token` of another list, or with other arguments, is INVALID_ARGUMENT",
        (158,),
        ("Repository.list",),
        ("foreign_page_token_is_invalid", "other_arguments_must_not_change"),
        ("any token", "token of another order"),
    ),
    Law(
        "List",
        "`parent` limits it; a malformed one is INVALID_ARGUMENT",
        (132,),
        ("list_resources",),
        ("parents_are_kept_apart", "malformed_parent_is_invalid"),
        ("all parents are one",),
        ("test_standard.py::test_malformed_parents_are_refused",),
    ),
    Law(
        "List",
        "`-` in a `parent` stands for any id",
        (159,),
        ("Repository.list",),
        tests=(
            "test_standard.py::test_parents",
            "test_standard.py::test_wildcards_tell_case_apart_and_stay_in_their_segment",
        ),
    ),
    Law(
        "List",
        "`order_by`: the key or `create_time`, `desc` or not; anything else is INVALID_ARGUMENT",
        (132,),
        ("list_resources",),
        ("order_by_is_honest",),
        ("order ignored", "any order"),
        ("test_standard.py::test_other_orders_are_refused",),
    ),
    Law(
        "List",
        "a `filter`, and every other field that nothing is done about, is INVALID_ARGUMENT when set",
        (160,),
        ("list_resources",),
        ("filter_is_honest",),
        ("any filter",),
        (
            "test_standard.py::test_filters_are_refused",
            "test_standard.py::test_what_a_list_cannot_do_is_refused_by_name",
        ),
    ),
    Law(
        "List",
        "what is deleted is left out, unless `show_deleted`",
        (164,),
        ("Repository.list",),
        ("deleted_is_not_listed", "undeleted_is_listed"),
        ("deleted only for Get", "deleted is listed"),
    ),
    Law(
        "List",
        "`total_size` counts all pages",
        (132,),
        ("Repository.list",),
        tests=("test_standard.py::test_all_pages_are_counted_where_that_is_asked",),
    ),
    Law(
        "Create",
        "the answer is the resource as it was sent, and what Get returns",
        (133,),
        ("create_resource",),
        ("returns_what_was_sent", "created_can_be_got"),
        ("dropped field", "rounded price", "lost write"),
    ),
    Law(
        "Create",
        "the name is made from `parent` and `<resource>_id`, or an id of the server's; one that is taken is ALREADY_EXISTS",
        (133,),
        ("create_resource",),
        ("returns_what_was_sent", "duplicate_is_already_exists"),
        ("duplicates overwrite",),
    ),
    Law(
        "Create",
        "`create_time`, `update_time` and `uid` (where OUTPUT_ONLY) are set",
        (148,),
        ("create_resource",),
        ("create_sets_the_times",),
        ("no create_time",),
        ("test_standard.py::test_what_is_created_is_what_get_returns",),
    ),
    Law(
        "Update",
        "only what the mask names changes; what it names and is not set is cleared; paths lead into messages",
        (134, 161),
        ("fields.Mask",),
        ("changes_only_the_mask",),
        ("ignored mask", "stale read"),
        ("test_standard.py::test_nested_paths",),
    ),
    Law(
        "Update",
        "`*` replaces everything that clients may set",
        (134,),
        ("fields.Mask",),
        ("star_replaces_everything",),
        ("star means populated",),
    ),
    Law(
        "Update",
        "no mask: the fields that are set, each as a whole",
        (134,),
        ("fields.Mask",),
        ("no_mask_means_populated",),
        ("no mask means everything",),
    ),
    Law(
        "Update",
        "an unknown path, or one into a list or map, is INVALID_ARGUMENT and names the mask",
        (161,),
        ("fields.Mask",),
        ("unknown_path_is_invalid",),
        ("masks are not checked",),
        ("test_standard.py::test_unknown_paths_are_refused",),
    ),
    Law(
        "Update",
        "OUTPUT_ONLY fields and the name are ignored in a mask",
        (161, 203),
        ("fields.Mask",),
        ("the_name_stays", "update_ignores_output_only"),
        ("an update loses the name",),
        ("test_standard.py::test_what_the_server_owns_is_ignored_in_masks_and_values",),
    ),
    Law(
        "Update",
        "an IMMUTABLE field may be there unchanged; a change of it is INVALID_ARGUMENT",
        (203,),
        ("fields.Mask",),
        ("immutable_cannot_change",),
        ("immutable changes", "immutable within changes"),
    ),
    Law(
        "Update",
        "`update_time` is set by a change; where nothing changes, nothing does",
        (134, 148),
        ("update_resource",),
        ("update_moves_update_time",),
        ("update_time stays", "create_time moves"),
        ("test_standard.py::test_an_update_that_changes_nothing_changes_nothing",),
    ),
    Law(
        "Update",
        "what is missing is NOT_FOUND; with `allow_missing` it is created, whatever the mask",
        (134,),
        ("update_resource",),
        ("update_of_nothing_is_not_found", "allow_missing_creates"),
        ("update creates", "allow_missing ignored by Update"),
    ),
    Law(
        "Update",
        "what is deleted is FAILED_PRECONDITION, `RESOURCE_DELETED`",
        (164,),
        ("update_resource",),
        tests=("test_standard.py::test_what_cannot_be_done_with_a_deleted_resource",),
    ),
    Law(
        "Delete",
        "what is deleted is gone from Get",
        (135,),
        ("delete_resource",),
        ("deleted_is_not_found",),
        tests=("test_standard.py::test_a_deletion_for_good",),
    ),
    Law(
        "Delete",
        "what is missing is NOT_FOUND, unless `allow_missing`",
        (135,),
        ("delete_resource",),
        ("second_delete_is_not_found", "allow_missing_lets_delete_pass"),
        ("swallowed error", "allow_missing ignored by Delete"),
    ),
    Law(
        "Delete",
        "with a field `force`: what has children is FAILED_PRECONDITION, `HAS_CHILDREN`; with `force` they go as well",
        (135,),
        ("delete_resource",),
        ("children_need_force",),
        ("children go unasked", "force keeps the children", "force deletes the children alone"),
    ),
    Law(
        "Delete, where there is Undelete",
        "sets `delete_time` and, 30 days on, `purge_time`; the name stays taken",
        (164,),
        ("soft_delete_resource",),
        ("deleted_can_still_be_got",),
        ("deleted is gone",),
        ("test_standard.py::test_deleted_resources_are_removed_in_the_end",),
    ),
    Law(
        "Delete, where there is Undelete",
        "what is deleted already is NOT_FOUND, unless `allow_missing`",
        (164,),
        ("soft_delete_resource",),
        ("second_delete_is_not_found",),
        tests=("test_standard.py::test_what_cannot_be_done_with_a_deleted_resource",),
    ),
    Law(
        "Undelete",
        "takes it back, as it was",
        (164,),
        ("undelete_resource",),
        ("undelete_restores", "undeleted_is_listed"),
        ("undeleted and still marked",),
    ),
    Law(
        "Undelete",
        "what is not deleted is ALREADY_EXISTS, what is missing NOT_FOUND",
        (164,),
        ("undelete_resource",),
        ("undelete_of_living_already_exists", "undelete_of_nothing_is_not_found"),
        ("undelete of anything", "undelete of what never was"),
    ),
    Law(
        "BatchGet",
        "in the order of the names; one that is missing makes the call NOT_FOUND",
        (231,),
        ("batch_get_resources",),
        ("batch_equals_gets", "batch_get_of_something_missing"),
        ("batch in the order of the table", "batch leaves out what is missing"),
    ),
    Law(
        "BatchCreate",
        "all or none, each as by Create, by the same handler",
        (233,),
        ("batch_create_resources",),
        ("batch_creates_all", "batch_create_is_atomic"),
        ("batch backwards", "half a batch"),
    ),
    Law(
        "BatchDelete",
        "all or none, each as by Delete, by the same handler",
        (235,),
        ("batch_delete_resources",),
        ("batch_deletes_all", "batch_delete_is_atomic"),
        ("batch forgets one", "half a batch deleted"),
    ),
    Law(
        "batches",
        "none, or more than 1000, is INVALID_ARGUMENT",
        (231,),
        ("standard",),
        tests=(
            "test_standard_batches.py::test_how_many_may_be_got",
            "test_standard_batches.py::test_a_batch_is_of_some",
        ),
    ),
    Law(
        "batches",
        "what is not below the batch's `parent` is INVALID_ARGUMENT; other shared fields must agree",
        (231, 233),
        ("standard",),
        ("batch_get_keeps_to_its_parent",),
        ("a batch across parents",),
        ("test_standard_batches.py::test_the_parent_of_the_batch_is_that_of_all",),
    ),
)


def table() -> str:
    """All of them."""
    return "\n".join(
        ["| method | law | AIP | where | shown by |", "|---|---|---|---|---|", *(law.row() for law in LAWS)]
    )
