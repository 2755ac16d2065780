"""What holds for every page: links lead somewhere, commands exist, nothing is named that only one machine has."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from typing import TYPE_CHECKING

import click
import pytest

from scaffold import __version__
from scaffold.cli.main import COMMANDS
from tests.docs import pages, reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = pages.pages()

_COMMAND = re.compile(r"\bscaffold (?P<words>[a-z-][^`\n#]*)")
_CODE = re.compile(r"`(?P<text>[^`\n]+)`")
# In README.md: what is to come is not there yet, and says so.
_COMING = "## What is coming"


@pytest.mark.parametrize("page", PAGES, ids=pages.shown)
def test_links_lead_somewhere(page: Path) -> None:
    for target in pages.links(page):
        path, _, fragment = target.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if fragment:
            assert fragment in {pages.anchor(heading) for heading in pages.headings(file)}, target


def test_every_page_is_in_the_index() -> None:
    index = pages.DOCS / "README.md"
    linked = {(index.parent / target).resolve() for target in pages.links(index)}
    assert {page for page in PAGES if page not in linked} == {pages.ROOT / "README.md", index}


def _mentioned(page: Path) -> Iterator[str]:
    """Every command line that a page shows, in blocks and in the text."""
    text = page.read_text(encoding="utf-8").partition(_COMING)[0]
    for block in pages.blocks(page):
        if block.language in ("console", "sh", "yaml"):
            yield from (m["words"] for m in _COMMAND.finditer(block.text))
    for code in _CODE.finditer(text):
        if found := _COMMAND.match(code["text"]):
            yield found["words"]


@pytest.mark.parametrize("page", PAGES, ids=pages.shown)
def test_only_commands_and_options_that_exist_are_named(page: Path) -> None:
    known = dict(reference.commands())
    for line in _mentioned(page):
        words = shlex.split(re.split(r"&&|;|\|", line)[0].replace("…", ""))
        if not words or words[0] in ("COMMAND", "--version", "--help", "is", "serves"):
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        assert name in known or name == "new", f"{pages.shown(page)}: scaffold {line}"
        if name in known:
            options = {opt for p in known[name].params if isinstance(p, click.Option) for opt in p.opts} | {"--help"}
            own = words[: words.index("--")] if "--" in words else words
            unknown = [word for word in own if word.startswith("-") and word.split("=")[0] not in options]
            assert not unknown, f"{pages.shown(page)}: scaffold {line}"


def test_what_is_coming_is_not_there_yet() -> None:
    coming = (pages.ROOT / "README.md").read_text(encoding="utf-8").partition(_COMING)[2].partition("\n## ")[0]
    there = {name for group in COMMANDS.values() for name in group}
    named = {code["text"].split()[-1] for code in _CODE.finditer(coming)}
    assert named and not named & there


@pytest.mark.parametrize("page", PAGES, ids=pages.shown)
def test_examples_are_valid(page: Path) -> None:
    for block in pages.blocks(page):
        if block.language == "python":
            ast.parse(block.text)
        if block.language == "toml":
            tomllib.loads(block.text)
        if "lines" in block.words:
            source = (pages.ROOT / block.words["lines"]).read_text(encoding="utf-8").splitlines()
            assert set(block.text.splitlines()) <= set(source), str(block)


@pytest.mark.parametrize("page", PAGES, ids=pages.shown)
def test_no_page_knows_a_machine_or_shouts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"/(home|Users|root|work|tmp)/", text)
    assert not re.search("[\U0001f300-\U0001faff\u2705\u274c]", text)
    assert max(map(len, pages.prose(page).splitlines())) < 400  # a row of a table


def test_every_module_is_in_the_architecture() -> None:
    text = pages.prose(pages.DOCS / "explanation/architecture.md")
    package = pages.ROOT / "scaffold"
    modules = [file.relative_to(package).as_posix() for file in package.rglob("*.py") if "_data" not in file.parts]
    assert len(modules) > 50
    assert [m for m in modules if not m.endswith("__init__.py") and f"`{m}`" not in text] == []
    named = re.findall(r"`((?:cli|verbs|acl|contract|run|shell|core)/[\w/]+\.py)`", text)
    assert [m for m in named if m not in modules] == []


def test_the_layers_are_those_that_are_held() -> None:
    text = pages.prose(pages.DOCS / "explanation/architecture.md")
    project = tomllib.loads((pages.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}
    layers = [layer for layer in contracts["house"]["layers"] if layer != "__main__"]
    assert f"`{' → '.join(layers)}`" in text
    floors = [floor.split(" | ") for floor in reversed(contracts["core"]["layers"])]
    heights = {module: height for height, floor in enumerate(floors) for module in floor}
    listed = re.findall(r"^\| `core/(\w+)\.py` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(heights)
    assert [heights[module] for module in listed] == sorted(heights.values())


def test_the_pinned_version_is_this_one() -> None:
    for page in PAGES:
        for version in re.findall(r"apifirst-scaffold\[\w+\]==([\d.]+)", page.read_text(encoding="utf-8")):
            assert version == __version__, pages.shown(page)
