"""The tutorial, done by a program: everything in it works, in that order, on real processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs import pages
from tests.docs.guides import Reader

if TYPE_CHECKING:
    from pathlib import Path


def test_the_tutorial_works(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        reader.follow(pages.blocks(pages.DOCS / "tutorial/first-service.md"))
