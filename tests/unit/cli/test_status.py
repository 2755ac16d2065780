"""`scaffold status` and `scaffold acl retire`: where the way out of a monolith stands, and when a layer may go."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support import REPO, Said, scaffold, shared, tree, write

GOLDEN = REPO / "tests/golden/acl_layer"
SEAM = "acl/lab/src/lab_acl/seam.toml"
VIEWS = "from lab_acl import app\nfrom shop.basket.models import Line\n"
METHODS = ("GetSample", "UpdateSample", "ListSamples", "MeasureSample", "Watch", "Upload", "Chat", "Close")


def _make(root: Path) -> None:
    shutil.copytree(GOLDEN, root, ignore=shutil.ignore_patterns("expected.txt", "commands.txt"), dirs_exist_ok=True)
    made = scaffold(root, *new_acl("lab"))
    assert made.code == 0, made.text


def new_acl(name: str, *more: str, model: str = "basket.Line") -> tuple[str, ...]:
    return ("new", "acl", name, "--orm", "django", "--proto", "lab/v1/lab.proto", "--models", model, *more)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared(tmp_path_factory, "leaving", _make)


@pytest.fixture
def lab(template: Path, tmp_path: Path) -> Path:
    """A workspace with a layer, and a monolith beside it that calls it once, and goes past it once."""
    root = tmp_path / "lab"
    shutil.copytree(template, root, ignore=shutil.ignore_patterns("__pycache__"))
    write(tmp_path / "old", {"views.py": VIEWS, "shop/basket/models.py": "class Line: ...\n"})
    return root


@pytest.fixture
def old(lab: Path) -> Path:
    return lab.parent / "old"


def retire(lab: Path, *arguments: str) -> Said:
    before = tree(lab)
    said = scaffold(lab, "acl", "retire", "lab", *arguments)
    assert tree(lab) == before
    return said


def all_at_service(lab: Path) -> None:
    (lab / SEAM).write_text('mode = "service"\n', encoding="utf-8")


def record(lab: Path, monolith: str) -> None:
    text = (lab / "scaffold.toml").read_text(encoding="utf-8")
    (lab / "scaffold.toml").write_text(text.replace("[acls.lab]\n", f'[acls.lab]\nmonolith = "{monolith}"\n'))


# --- the whole way ----------------------------------------------------------------------------------------------------


def test_the_way_out_from_the_first_line_to_the_last(lab: Path, old: Path) -> None:
    said = scaffold(lab, "status", "--monolith", "../old")
    modes = "".join(f"  {name:<{max(map(len, METHODS))}}  monolith\n" for name in METHODS)
    assert said.out == (
        f"lab: 0 of 8 methods at the service (by {SEAM})\n{modes}"
        "  0 of 1 table out of the monolith\n"
        "    basket_line (basket.Line)  the monolith still answers, 1 line past the layer\n"
        "  1 line goes to the layer\n"
        f"    {old}/views.py:1  lab_acl\n"
        "  1 line goes to the models past it\n"
        f"    {old}/views.py:2  basket.Line\n"
        "  left: 8 methods to `service`; 1 line off the layer; 1 line off the models\n"
        "\n"
        "1 model of the monolith behind no API: basket.Basket\n"
    )
    refused = retire(lab, "--monolith", "../old")
    assert refused.code == 1
    assert refused.out.count("calls-go-to-the-monolith") == 8
    assert refused.out.count("still-imported") == 2
    assert refused.out.endswith("10 found: lab is still needed\n")

    all_at_service(lab)
    said = scaffold(lab, "status", "--monolith", "../old")
    assert "lab: 8 of 8 methods at the service" in said.out
    assert "0 of 1 table out of the monolith\n    basket_line (basket.Line)  1 line past the layer\n" in said.out
    (old / "views.py").write_text("from lab_acl import app\n")
    said = scaffold(lab, "status", "--monolith", "../old")
    assert "1 of 1 table out of the monolith\n    basket_line (basket.Line)  out\n" in said.out
    assert "left: 1 line off the layer\n" in said.out
    assert retire(lab, "--monolith", "../old").code == 1

    (old / "views.py").write_text("from lab.client import Client\n")
    said = scaffold(lab, "status", "--monolith", "../old")
    assert "  done: `scaffold acl retire lab` says how it goes\n" in said.out
    said = retire(lab, "--monolith", "../old")
    assert (said.code, "then revoke the rights on basket_line" in said.out) == (0, True)
    data = json.loads(scaffold(lab, "status", "--monolith", "../old", "--format", "json").out)
    assert (data["done"], data["layers"][0]["done"], data["notes"]) == (["lab"], True, [])


@pytest.mark.parametrize(
    ("seam", "at", "said"),
    [
        ("percent = 100", 7, "Close is at percent:100: a call that names no entity still goes to the monolith"),
        ("percent = 99.5", 7, "Close is at percent:99.5"),
        ("percent = 0", 7, "Close is at percent:0"),
    ],
)
def test_a_percentage_is_not_the_service_not_even_all_of_it(
    lab: Path, old: Path, seam: str, at: int, said: str
) -> None:
    (old / "views.py").write_text("")
    (lab / SEAM).write_text(f'mode = "service"\n[methods.Close]\nmode = "percent"\n{seam}\n')
    refused = retire(lab, "--monolith", "../old")
    assert refused.code == 1
    assert refused.out == (
        f"{SEAM}: calls-go-to-the-monolith: {said}\n"
        '  help: the layer is needed for as long as the monolith answers: mode = "service" first, for every method\n'
        "1 found: lab is still needed\n"
    )
    status = scaffold(lab, "status", "--monolith", "../old").out
    assert f"lab: {at} of 8 methods at the service" in status
    assert "the monolith still answers" in status and "left: 1 method to `service`\n" in status
    assert ("percent:100, but for calls that name no entity" in status) == (seam == "percent = 100")


# --- what cannot be read ----------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_stands_in_the_way_if_it_may_be_a_caller(lab: Path, old: Path) -> None:
    all_at_service(lab)
    write(old, {"views.py": "", "py2/a.py": "print 'x'\n", "py2/b.py": "print 'y'\n"})
    said = retire(lab, "--monolith", "../old")
    assert said.code == 0
    assert (
        "note: monolith-unreadable:" in said.out and f"{old}/py2/a.py:1, {old}/py2/b.py:1 could not be read" in said.out
    )
    assert '"done": [\n    "lab"' in scaffold(lab, "status", "--monolith", "../old", "--format", "json").out
    (old / "py2/b.py").write_text("from shop.basket.models import Line\nprint 'y'\n")
    said = retire(lab, "--monolith", "../old")
    assert said.code == 1
    assert (
        f"{old}/py2/b.py:2: monolith-unreadable: it could not be read, and may need the layer or its models" in said.out
    )
    assert "1 found: lab is still needed" in said.out
    said = scaffold(lab, "status", "--monolith", "../old")
    assert said.code == 0
    assert f"{old}/py2/b.py:2: warning: monolith-unreadable" in said.out
    assert "1 file could not be read" in said.out and "left: 1 file to be read\n" in said.out


def test_migrations_are_told_apart(lab: Path, old: Path) -> None:
    all_at_service(lab)
    write(old, {"views.py": "", "orders/migrations/0001_initial.py": 'x = ForeignKey("basket.line")\n'})
    said = retire(lab, "--monolith", "../old")
    assert said.code == 0
    assert f"note: named-in-migrations: migrations name the models, which is no use of them: {old}/orders/" in said.out


# --- where the monolith is --------------------------------------------------------------------------------------------


def test_nobody_guesses_where_the_monolith_is(lab: Path) -> None:
    all_at_service(lab)
    said = retire(lab)
    assert (said.code, said.out) == (2, "")
    line = (lab / "scaffold.toml").read_text().splitlines().index("[acls.lab]") + 1
    assert said.err.startswith(f"scaffold.toml:{line}:2: monolith-unknown: ")
    said = scaffold(lab, "status")
    assert said.code == 0
    assert "    basket_line (basket.Line)  nobody has searched the monolith\n" in said.out
    assert "  left: a search of the monolith: --monolith DIR\n" in said.out


def test_where_it_is_can_be_recorded_and_named(lab: Path, old: Path) -> None:
    all_at_service(lab)
    record(lab, "../old")
    assert "2 found: lab is still needed" in retire(lab).out
    assert f"{old}/views.py:2  basket.Line" in scaffold(lab, "status").out
    write(lab.parent / "other", {"x.py": ""})
    for command in (("acl", "retire", "lab"), ("status",)):
        said = scaffold(lab, *command, "--monolith", "../other")
        assert (said.code, "warning: monolith-without-models: none of" in said.out) == (0, True)
        assert "monolith-without-models" not in scaffold(lab, *command).out


@pytest.mark.parametrize(
    ("folder", "why"), [("../none", "there is no such folder"), ("../empty", "there is no Python file")]
)
def test_a_folder_without_source_is_no_monolith(lab: Path, folder: str, why: str) -> None:
    write(lab.parent / "empty", {"notes.txt": "", ".venv/x.py": ""})
    for command in (("acl", "retire", "lab"), ("status",)):
        said = scaffold(lab, *command, "--monolith", folder)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(f'monolith-not-found: the monolith is not at "{folder}": {why}')
    record(lab, folder)
    said = retire(lab)
    assert said.code == 2 and "scaffold.toml:" in said.err and why in said.err
    said = scaffold(lab, "status")  # somebody else's checkout: the rest of the answer is still one
    assert said.code == 0 and "warning: monolith-not-found" in said.out and "left: 8 methods to `service`" in said.out


def test_new_acl_records_it(template: Path, tmp_path: Path) -> None:
    root = tmp_path / "deep/lab"
    shutil.copytree(GOLDEN, root, ignore=shutil.ignore_patterns("expected.txt", "commands.txt"))
    write(tmp_path / "old", {"views.py": VIEWS})
    before = tree(root)
    refused = scaffold(root, *new_acl("lab", "--monolith", "../old"))
    assert (refused.code, "monolith-not-found" in refused.err, tree(root) == before) == (2, True, True)
    assert scaffold(root / "protos", *new_acl("lab", "--monolith", str(tmp_path / "old"))).code == 0
    assert 'monolith = "../../old"\n' in (root / "scaffold.toml").read_text()
    assert "2 lines" not in scaffold(root, "status").out and "1 line off the layer" in scaffold(root, "status").out
    assert scaffold(root, "check", "--only", "drift").out == "nothing found\n"


def test_a_proxy_is_no_table_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    shutil.copytree(GOLDEN, root, ignore=shutil.ignore_patterns("expected.txt", "commands.txt"))
    shutil.copy(REPO / "tests/monoliths/snapshots/django.json", root / "model.snapshot.json")
    assert scaffold(root, *new_acl("lab"), "--models", "orders.Order").code == 0
    said = scaffold(root, "status").out
    assert "orders.OrderLine" in said and "orders.PaidOrder" not in said
    seam = (root / SEAM).read_text()
    assert seam.endswith('# [methods.GetSample]\n# mode = "percent"\n# percent = 10\n'), "a method of this API"


@pytest.mark.parametrize("value", ["/srv/shop", "C:/shop", "..\\\\shop", ""])
def test_a_path_of_this_machine_alone_is_not_recorded(lab: Path, value: str) -> None:
    record(lab, value)
    said = scaffold(lab, "status")
    assert said.code == 2 and "scaffold.toml:" in said.err and "settings-value" in said.err


# --- places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [".", "acl", "acl/lab/src"])
def test_places_can_be_opened_from_where_one_is(lab: Path, old: Path, start: str) -> None:
    """Every place that is printed is a file, from where the command was run."""
    shutil.copytree(old, lab / "acl/inside")
    record(lab, "acl/inside")
    for command in (("acl", "retire", "lab"), ("status",)):
        for arguments in ((), ("--monolith", str(old))):
            said = scaffold(lab / start, *command, *arguments)
            places = [word.split(":")[0] for word in said.out.split() if "views.py:" in word]
            assert len(places) == 2
    said = scaffold(lab, "status")
    assert "acl/inside/views.py:1  lab_acl" in said.out and str(lab) not in said.out
    said = scaffold(lab / "acl/inside", "acl", "retire", "lab")
    assert "\nviews.py:1: still-imported" in said.out and f"{lab}/{SEAM}: calls-go" in said.out


def test_the_seam_of_production_is_the_one_that_counts(lab: Path) -> None:
    production = lab.parent / "production.toml"
    production.write_text('mode = "service"\n')
    said = scaffold(lab, "status", "--seam", "../production.toml")
    assert f"lab: 8 of 8 methods at the service (by {production})" in said.out
    assert "done" not in said.out  # nobody has looked at the monolith
    for text in ("mode = ", 'mode = "service"\n[methods.Nothing]\nmode = "monolith"\n'):
        production.write_text(text)
        said = scaffold(lab, "status", "--seam", str(production))
        assert (said.code, said.out, f"{production}: seam-invalid" in said.err) == (2, "", True)
    said = scaffold(lab, "status", "--seam", "none.toml")
    assert (said.code, said.err.splitlines()[0]) == (2, "none.toml: seam-invalid: there is no such file")


def test_without_a_seam_file_the_monolith_answers(lab: Path, old: Path) -> None:
    (lab / SEAM).unlink()
    assert "lab: 0 of 8 methods at the service (there is no seam.toml)\n" in scaffold(lab, "status").out
    assert (
        f"{SEAM}: calls-go-to-the-monolith: GetSample is at monolith: there is no such file"
        in retire(lab, "--monolith", "../old").out
    )


# --- several, and none ------------------------------------------------------------------------------------------------


def test_several_layers(lab: Path, old: Path) -> None:
    assert scaffold(lab, *new_acl("desk", "--monolith", "../old")).code == 0
    assert scaffold(lab, *new_acl("bag", model="basket.Basket")).code == 0
    all_at_service(lab)
    (old / "views.py").write_text("")
    said = scaffold(lab, "status", "--monolith", "../old").out
    assert "together: 1 of 3 layers done, 8 of 24 methods at the service, 0 of 2 tables out of the monolith\n" in said
    assert "0 of 1 table out of the monolith\n    basket_line (basket.Line)  behind desk as well\n" in said
    assert "behind no API" not in said
    said = scaffold(lab, "status", "desk").out
    assert said.startswith("desk: 0 of 8") and "lab:" not in said and "together" not in said
    said = retire(lab, "--monolith", "../old").out
    assert "note: behind-another-layer: basket.Line is behind desk as well" in said
    assert "`scaffold remove acl/lab` takes it out" in said and "revoke" not in said
    assert "unknown-layer" in scaffold(lab, "status", "dsk").err
    said_of_all = scaffold(lab, "status", "--seam", SEAM)
    assert (said_of_all.code, f"{SEAM}: which-component: " in said_of_all.err) == (2, True)
    assert scaffold(lab, "status", "desk", "--seam", SEAM).out.startswith(
        f"desk: 8 of 8 methods at the service (by {SEAM})"
    )


def test_what_is_wrong_in_several_layers_is_said_at_once(lab: Path) -> None:
    assert scaffold(lab, *new_acl("bag", model="basket.Basket")).code == 0
    (lab / SEAM).write_text("mode = ")
    shutil.rmtree(lab / "acl/bag/src/bag_acl/gen")
    said = scaffold(lab, "status")
    assert (said.code, said.out) == (2, "")
    assert "seam-invalid" in said.err and "not-generated" in said.err
    (lab / "model.snapshot.json").write_text("{")
    said = scaffold(lab, "status")
    assert (said.code, said.err.count("snapshot-invalid")) == (2, 1)


def test_a_workspace_with_nothing_to_leave(tmp_path: Path) -> None:
    assert scaffold(tmp_path, "init", "shop").code == 0
    said = scaffold(tmp_path / "shop", "status")
    assert (said.code, said.out.startswith("there is no anti-corruption layer")) == (0, True)
    said = scaffold(tmp_path / "shop", "acl", "retire", "cart")
    assert (said.code, "unknown-layer" in said.err) == (2, True)


def test_what_files_say_is_shown_and_not_obeyed(lab: Path, old: Path) -> None:
    evil = "odd\x1b[2J.py"
    write(old, {"views.py": "", evil: "import lab_acl\n"})
    for command in (("acl", "retire", "lab"), ("status",)):
        said = scaffold(lab, *command, "--monolith", "../old")
        assert "\x1b" not in said.text and r"odd\x1b[2J.py:1" in said.out
