"""The table of ownership, row by row: what is wanted, what is on disk, what happens."""

from __future__ import annotations

import pytest

from scaffold.core import stamp
from scaffold.core.plan import Change, Listed, Plan, Snapshot, make_plan
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


def test_only_creations_updates_and_deletions_are_written() -> None:
    changes = [Change(a, a, "generated") for a in ("create", "update", "delete", "keep", "conflict", "orphan")]
    assert [c.action for c in Plan(tuple(changes)).writes] == ["create", "update", "delete"]
