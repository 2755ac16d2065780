"""What the README shows is what there is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.docs import pages
from tests.docs.guides import Reader

if TYPE_CHECKING:
    from pathlib import Path

README = pages.ROOT / "README.md"


def test_the_handler_is_the_one_that_is_generated(tmp_path: Path) -> None:
    def commands(*lines: str) -> pages.Block:
        return pages.Block("test", 0, "console", "".join(f"$ {line}\n" for line in lines))

    with Reader(tmp_path) as reader:
        reader.follow([commands("scaffold init shop", "cd shop")])
        shutil.copytree(pages.ROOT / "protos", reader.here / "protos", dirs_exist_ok=True)
        reader.follow([commands("scaffold new store catalog --proto shop/catalog/v1/catalog.proto")])
        made = (reader.here / "services/catalog/src/catalog/handlers/get_product.py").read_text(encoding="utf-8")
    (shown,) = [block.text for block in pages.blocks(README) if block.language == "python"]
    assert made.partition("\n\n\n# scaffold:stub")[0] == shown.rstrip()


def test_the_commands_of_a_day_are_all_the_commands() -> None:
    from scaffold.cli.main import COMMANDS

    (day,) = [block.text for block in pages.blocks(README) if block.language == "sh"]
    assert [name for group in COMMANDS.values() for name in group if f"scaffold {name}" not in day] == []
