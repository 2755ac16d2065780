"""The table of ownership, row by row: what is wanted, what is on disk, what happens."""

from __future__ import annotations

import pytest

from scaffold.core import stamp
from scaffold.core.diagnostics import ScaffoldError
from scaffold.core.plan import Change, Listed, Plan, Snapshot, Wishes, make_plan
from scaffold.core.render import Artifact
from scaffold.core.view import Owner

PATH = "services/cart/src/cart/gen/x.py"


def artifact(owner: Owner, body: str = "new = 1\n", path: str = PATH) -> Artifact:
    text = {"generated": stamp.generated(path, "o", body), "stub": stamp.stub("o", body), "yours": body}[owner]
    return Artifact(path, text.encode(), owner, "o", "p.S.R" if owner == "stub" else "")


def on_disk(state: str, owner: Owner) -> bytes | None:
    """The bytes of a path in one of the states of the table."""
    new, old = artifact(owner).content, artifact(owner, "old = 1\n").content
    return {
        "absent": None,
        "equal": new,
        "equal, CRLF": new.replace(b"\n", b"\r\n"),
        "stamp intact": old,
        "stamp intact, CRLF": old.replace(b"\n", b"\r\n"),
        "stamp intact, BOM": b"\xef\xbb\xbf" + old,
        "edited": old.replace(b"old = 1", b"mine = 1"),
        "no stamp": b"mine = 1\n",
        "not text": b"\xff\xfe\x00",
        "empty": b"",
    }[state]


def decide(wanted: Owner | None, state: str, listed: Owner | None) -> Plan:
    owner = wanted or listed
    assert owner is not None
    entries = {PATH: Listed(PATH, listed)} if listed else {}
    return make_plan([artifact(wanted)] if wanted else [], Snapshot({PATH: on_disk(state, owner)}, entries))


EDITED = ("edited", "no stamp", "not text", "empty")
INTACT = ("stamp intact", "stamp intact, CRLF", "stamp intact, BOM")
EQUAL = ("equal", "equal, CRLF")

WANTED = [
    ("generated", "absent", "create"),
    *(("generated", state, "keep") for state in EQUAL),
    *(("generated", state, "update") for state in INTACT),
    *(("generated", state, "conflict") for state in EDITED),
    ("stub", "absent", "create"),
    *(("stub", state, "keep") for state in EQUAL),
    *(("stub", state, "update") for state in INTACT),
    *(("stub", state, "keep") for state in EDITED),
]


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(("owner", "state", "action"), WANTED)
def test_wanted_generated_or_stub(owner: Owner, state: str, action: str, listed: bool) -> None:
    """The list plays no part here: stamps decide, so a lost list never costs a person's bytes."""
    plan = decide(owner, state, owner if listed else None)
    (change,) = plan.changes
    assert change.action == action
    assert change.owner == owner
    assert plan.listing == (Listed(PATH, owner, "p.S.R" if owner == "stub" else ""),)
    assert bool(plan.writes) == (action in ("create", "update"))
    assert bool(plan.conflicts) == (action == "conflict")
    if change in plan.writes:
        assert change.after == artifact(owner).content


@pytest.mark.parametrize(
    ("state", "listed", "action"),
    [
        ("absent", False, "create"),
        ("absent", True, "keep"),  # deleted on purpose
        *((state, listed, "keep") for state in ("equal", "no stamp", "not text", "empty") for listed in (False, True)),
    ],
)
def test_wanted_yours(state: str, listed: bool, action: str) -> None:
    plan = decide("yours", state, "yours" if listed else None)
    (change,) = plan.changes
    assert change.action == action
    assert plan.listing == (Listed(PATH, "yours"),)


@pytest.mark.parametrize("owner", ["generated", "stub"])
def test_unwanted_and_absent_is_forgotten(owner: Owner) -> None:
    plan = decide(None, "absent", owner)
    assert (plan.changes, plan.listing) == ((), ())


@pytest.mark.parametrize("state", ["equal", *INTACT])
@pytest.mark.parametrize("owner", ["generated", "stub"])
def test_unwanted_and_intact_is_deleted(owner: Owner, state: str) -> None:
    plan = decide(None, state, owner)
    (change,) = plan.writes
    assert (change.action, change.after) == ("delete", None)
    assert plan.listing == ()


@pytest.mark.parametrize("state", EDITED)
def test_unwanted_generated_and_edited_is_a_conflict(state: str) -> None:
    plan = decide(None, state, "generated")
    assert [c.action for c in plan.changes] == ["conflict"]
    assert plan.writes == ()
    assert plan.listing == (Listed(PATH, "generated"),)
    (found,) = plan.conflicts
    assert (found.slug, found.where and found.where.path) == ("edited-generated-file", PATH)
    assert f"scaffold regen --force {PATH}" in found.remedy


@pytest.mark.parametrize("state", EDITED)
def test_unwanted_handler_with_code_is_an_orphan(state: str) -> None:
    plan = decide(None, state, "stub")
    assert [c.action for c in plan.changes] == ["orphan"]
    assert (plan.writes, plan.conflicts) == ((), ())
    assert plan.listing == (Listed(PATH, "stub"),), "an orphan stays listed: it is reported until somebody decides"
    (found,) = plan.orphans
    assert (found.slug, found.where and found.where.path) == ("orphan", PATH)
    assert found.remedy


@pytest.mark.parametrize("state", ["equal", "stamp intact", "no stamp"])
def test_unwanted_yours_is_left_alone(state: str) -> None:
    plan = decide(None, state, "yours")
    assert [c.action for c in plan.changes] == ["keep"]
    assert plan.writes == ()
    assert plan.listing == (Listed(PATH, "yours"),)


def test_what_nobody_listed_is_nobodys_business() -> None:
    plan = make_plan([], Snapshot({"services/x.py": b"x"}, {}))
    assert plan == Plan()


def test_the_order_is_that_of_the_paths() -> None:
    artifacts = [artifact("generated", path=p) for p in ("b.py", "a.py", "c.py")]
    listed = {"0.py": Listed("0.py", "stub")}
    plan = make_plan(artifacts, Snapshot({"a.py": None, "b.py": None, "c.py": None, "0.py": b"x"}, listed))
    assert [c.path for c in plan.changes] == ["0.py", "a.py", "b.py", "c.py"]
    assert [entry.path for entry in plan.listing] == ["0.py", "a.py", "b.py", "c.py"]
    again = make_plan(reversed(artifacts), Snapshot({"c.py": None, "b.py": None, "a.py": None, "0.py": b"x"}, listed))
    assert again == plan


def test_what_touches_the_disk() -> None:
    actions = ("create", "update", "delete", "move", "attic", "keep", "conflict", "orphan")
    changes = [Change(a, a, "generated") for a in actions]
    assert [c.action for c in Plan(tuple(changes)).writes] == ["create", "update", "delete", "move", "attic"]


# What the user asks for.

FOLDER = "services/cart"


def asked(wanted: Owner | None, state: str, listed: Owner | None, wishes: Wishes) -> Plan:
    owner = wanted or listed
    assert owner is not None
    entries = {PATH: Listed(PATH, listed, "p.S.R")} if listed else {}
    artifacts = [artifact(wanted)] if wanted else []
    return make_plan(artifacts, Snapshot({PATH: on_disk(state, owner)}, entries), wishes=wishes)


@pytest.mark.parametrize("state", EDITED)
@pytest.mark.parametrize(("wanted", "action"), [("generated", "update"), (None, "delete")])
def test_a_forced_conflict_goes_to_the_attic(wanted: Owner | None, action: str, state: str) -> None:
    plan = asked(wanted, state, "generated", Wishes(force=frozenset({PATH})))
    (change,) = plan.archived
    assert (change.action, change.before) == (action, on_disk(state, "generated"))
    assert not plan.blocked
    assert plan.listing == ((Listed(PATH, "generated"),) if wanted else ())


@pytest.mark.parametrize(
    ("wanted", "state", "listed"),
    [("generated", "equal", "generated"), ("generated", "stamp intact", "generated"), ("generated", "absent", None),
     ("stub", "edited", "stub"), ("yours", "no stamp", "yours"), (None, "edited", "stub"), (None, "no stamp", "yours")],
)  # fmt: skip
def test_only_a_conflict_can_be_forced(wanted: Owner | None, state: str, listed: Owner | None) -> None:
    with pytest.raises(ScaffoldError, match="not-in-conflict"):
        asked(wanted, state, listed, Wishes(force=frozenset({PATH})))


@pytest.mark.parametrize("state", EDITED)
def test_a_pruned_orphan_goes_to_the_attic(state: str) -> None:
    plan = asked(None, state, "stub", Wishes(prune=True))
    (change,) = plan.archived
    assert (change.action, change.before, change.after) == ("attic", on_disk(state, "stub"), None)
    assert (plan.orphans, plan.listing) == ((), ())


@pytest.mark.parametrize("state", EDITED)
@pytest.mark.parametrize("wishes", [Wishes(prune=True), Wishes(vacate="services/car"), Wishes(vacate="services/cart2")])
def test_nothing_else_follows_from_that(wishes: Wishes, state: str) -> None:
    """Pruning is about orphans, and a folder is not another one that begins like it."""
    assert asked("stub", state, "stub", wishes).writes == ()
    assert asked("yours", state, "yours", wishes).writes == ()
    assert asked(None, state, "yours", wishes).writes == ()
    assert asked("generated", state, "generated", wishes).blocked


VACATED = [
    ("generated", "edited", "generated", "update", True), ("generated", "stamp intact", "generated", "update", False),
    ("generated", "equal", "generated", "keep", False), ("generated", "absent", "generated", "create", False),
    ("stub", "edited", "stub", "update", True), ("stub", "stamp intact", "stub", "update", False),
    ("stub", "equal", "stub", "keep", False), ("stub", "absent", "stub", "create", False),
    ("yours", "no stamp", "yours", "update", True), ("yours", "equal", "yours", "keep", False),
    ("yours", "absent", "yours", "create", False), ("yours", "absent", None, "create", False),
    (None, "edited", "generated", "delete", True), (None, "stamp intact", "generated", "delete", False),
    (None, "edited", "stub", "attic", True), (None, "stamp intact", "stub", "delete", False),
    (None, "no stamp", "yours", "attic", True),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "state", "listed", "action", "archived"), VACATED)
def test_a_folder_that_starts_afresh(
    wanted: Owner | None, state: str, listed: Owner | None, action: str, archived: bool
) -> None:
    plan = asked(wanted, state, listed, Wishes(vacate=FOLDER))
    assert [(c.action, c.archived) for c in plan.changes] == [(action, archived)]
    assert not plan.blocked


@pytest.mark.parametrize(("wanted", "action"), [("stub", "keep"), (None, "orphan")])
def test_handlers_that_are_kept(wanted: Owner | None, action: str) -> None:
    plan = asked(wanted, "edited", "stub", Wishes(vacate=FOLDER, keep_handlers=True))
    assert [c.action for c in plan.changes] == [action]


@pytest.mark.parametrize(("listed", "action"), [(True, "keep"), (False, "create")])
def test_a_stub_without_an_rpc_is_made_once(listed: bool, action: str) -> None:
    """The first test of the handlers: who deletes it does not want it."""
    content = stamp.stub("o", "x\n").encode()
    entries = {PATH: Listed(PATH, "stub")} if listed else {}
    (change,) = make_plan([Artifact(PATH, content, "stub", "o")], Snapshot({PATH: None}, entries)).changes
    assert change.action == action


# Moves.

OLD = "services/cart/src/cart/handlers/old.py"
NEW = "services/cart/src/cart/handlers/new.py"
MINE = b"mine = 1\n"


def moved(
    old: bytes | None, new: bytes | None, *, listed: Owner = "stub", made: dict[str, bytes] | None = None
) -> Plan:
    wanted = Artifact(NEW, stamp.stub("o", "new\n").encode(), "stub", "o", "p.S.New")
    entries = {OLD: Listed(OLD, listed, "p.S.Old")}
    return make_plan([wanted], Snapshot({OLD: old, NEW: new}, entries), moves={NEW: OLD}, made=made)


def test_a_handler_of_the_users_moves() -> None:
    for there in (None, stamp.stub("o", "an older one\n").encode()):
        plan = moved(MINE, there)
        (change,) = plan.changes
        assert (change.action, change.source, change.path) == ("move", OLD, NEW)
        assert (change.before, change.after, change.rpc) == (there, MINE, "p.S.New")
        assert plan.moves == (change,)
        assert plan.listing == (Listed(NEW, "stub", "p.S.New"),)


def test_an_untouched_handler_is_made_anew() -> None:
    plan = moved(stamp.stub("o", "old\n").encode(), None)
    assert {c.path: c.action for c in plan.changes} == {OLD: "delete", NEW: "create"}
    plan = moved(None, MINE)
    assert {c.path: c.action for c in plan.changes} == {NEW: "keep"}, "it has been done"


def test_what_was_made_for_the_old_name_is_nobodys() -> None:
    plan = moved(MINE, None, listed="yours", made={OLD: MINE})
    assert {c.path: c.action for c in plan.changes} == {OLD: "delete", NEW: "create"}


def test_two_files_with_code_in_one_place() -> None:
    plan = moved(MINE, b"mine, too\n")
    assert plan.blocked
    assert [d.slug for d in plan.decisions] == ["rename-occupied"]
    assert not plan.moves


def test_a_stranger_moves_unread() -> None:
    snapshot = Snapshot({"b/x.db": None}, {}, strangers=frozenset({"a/x.db"}))
    plan = make_plan([], snapshot, moves={"b/x.db": "a/x.db"})
    assert [(c.action, c.source, c.after) for c in plan.changes] == [("move", "a/x.db", None)]
    assert plan.listing == ()


def test_moves_make_room_for_one_another() -> None:
    files = {"a": MINE, "b": MINE, "c": None}
    entries = {p: Listed(p, "yours") for p in "ab"}
    plan = make_plan([], Snapshot(files, entries), moves={"b": "a", "c": "b"})
    assert [(c.source, c.path) for c in plan.moves] == [("b", "c"), ("a", "b")]
    with pytest.raises(ScaffoldError, match="rename-circle"):
        make_plan([], Snapshot(files, entries), moves={"b": "a", "a": "b"})
