"""What handlers are called: by the record first, then by their RPCs' names; nobody ever gets somebody else's module."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.core.api import Service
from scaffold.core.recorded import NOTHING, HandlerNames, Recorded, handler_names, recorded
from tests.support import compile_api

ROOT = "services/cart/src/cart"


def services(tmp_path: Path, **rpcs: tuple[str, ...]) -> tuple[Service, ...]:
    """Services of those names with those RPCs."""
    lines = ['syntax = "proto3";', "package p;", "message M {}"]
    for name, methods in rpcs.items():
        lines += [f"service {name} {{", *(f"  rpc {m}(M) returns (M);" for m in methods), "}"]
    api = compile_api(tmp_path, {"p.proto": "\n".join(lines) + "\n"})
    return tuple(api.service_by_name[f"p.{name}"] for name in rpcs)


def listed(names: HandlerNames) -> list[tuple[str, str]]:
    """The lines of the list that handlers of these names make."""
    return [
        (f"{ROOT}/{names.folders[service]}/{module}.py", f"{service}.{rpc}")
        for service, attributes in names.attributes.items()
        for rpc, module in attributes.items()
    ]


def test_of_two_rpcs_that_would_share_a_module_the_older_one_keeps_it(tmp_path: Path) -> None:
    """By the alphabet alone AB would take ``ab`` from Ab, and its file, with the code for another RPC."""
    first = handler_names(services(tmp_path / "1", S=("Ab",)))
    assert first.attributes == {"p.S": {"Ab": "ab"}}
    both = services(tmp_path / "2", S=("AB", "Ab"))
    assert handler_names(both, recorded(ROOT, listed(first))).attributes == {"p.S": {"Ab": "ab", "AB": "ab_2"}}
    assert handler_names(both).attributes == {"p.S": {"AB": "ab", "Ab": "ab_2"}}


def test_services_in_another_order_keep_their_folders(tmp_path: Path) -> None:
    one, two = services(tmp_path, Books=("Get",), Admin=("Get", "Ban"))
    first = handler_names((one, two))
    assert first.folders == {"p.Books": "handlers", "p.Admin": "handlers/admin"}
    assert handler_names((two, one), recorded(ROOT, listed(first))).folders == first.folders
    assert handler_names((two, one)).folders == {"p.Admin": "handlers", "p.Books": "handlers/books"}


def test_an_rpc_that_would_be_hidden_by_a_folder_gets_another_module(tmp_path: Path) -> None:
    """``handlers/admin/`` is a package: a module ``handlers/admin.py`` beside it could not be imported."""
    one, two = services(tmp_path / "1", Books=("Get",), Admin=("Ban",))
    known = recorded(ROOT, listed(handler_names((one, two))))
    names = handler_names(services(tmp_path / "2", Books=("Get", "Admin"), Admin=("Ban",)), known)
    assert names.folders["p.Admin"] == "handlers/admin"
    assert names.attributes["p.Books"]["Admin"] == "admin_2"


def test_a_service_that_is_gone_leaves_its_folder_to_the_next(tmp_path: Path) -> None:
    """The others stay where they are."""
    known = recorded(ROOT, listed(handler_names(services(tmp_path / "1", Old=("Get",), Admin=("Ban",)))))
    names = handler_names(services(tmp_path / "2", New=("Get",), Admin=("Ban",)), known)
    assert names.folders == {"p.New": "handlers", "p.Admin": "handlers/admin"}
    names = handler_names(services(tmp_path / "3", Admin=("Ban",), New=("Get",)), known)
    assert names.folders == {"p.Admin": "handlers/admin", "p.New": "handlers/new"}


@pytest.mark.parametrize(
    "line",
    [
        (f"{ROOT}/handlers/class.py", "p.S.Get"),
        (f"{ROOT}/handlers/no-module.py", "p.S.Get"),
        (f"{ROOT}/handlers/get.txt", "p.S.Get"),
        (f"{ROOT}/handlers/a/b/get.py", "p.S.Get"),
        (f"{ROOT}/app.py", "p.S.Get"),
        ("services/other/src/other/handlers/get.py", "p.S.Get"),
        (f"{ROOT}/handlers/get.py", ""),
    ],
)
def test_lines_that_say_nothing_about_handlers(line: tuple[str, str], tmp_path: Path) -> None:
    known = recorded(ROOT, [line])
    assert known.modules == {}
    names = handler_names(services(tmp_path, S=("Get",)), known)
    assert names.attributes == {"p.S": {"Get": "get"}}


def test_two_services_are_never_in_one_folder(tmp_path: Path) -> None:
    known = recorded(ROOT, [(f"{ROOT}/handlers/a.py", "p.A.X"), (f"{ROOT}/handlers/b.py", "p.B.X")])
    assert known.folders == {"p.A": "handlers"}
    names = handler_names(services(tmp_path, B=("X",), A=("X",)), known)
    assert names.folders == {"p.A": "handlers", "p.B": "handlers/b"}


NAMES = st.sampled_from(["Ab", "AB", "aB", "A_b", "Get", "GET", "Admin", "Class", "class_"])


@given(before=st.lists(NAMES, unique=True, min_size=1), after=st.lists(NAMES, unique=True, min_size=1))
def test_whoever_stays_keeps_its_name_and_no_two_share_one(
    before: list[str], after: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    def named(rpcs: list[str], known: Recorded) -> HandlerNames:
        return handler_names(services(tmp_path_factory.mktemp("api"), S=tuple(rpcs)), known)

    first = named(before, NOTHING)
    second = named(after, recorded(ROOT, listed(first)))
    old, new = first.attributes["p.S"], second.attributes["p.S"]
    assert {rpc: new[rpc] for rpc in new if rpc in old} == {rpc: old[rpc] for rpc in new if rpc in old}
    assert len({name.lower() for name in new.values()}) == len(new)
