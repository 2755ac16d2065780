"""The tutorials, done by a program: everything in them works, in that order, on real processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs import pages
from tests.docs.guides import Reader

if TYPE_CHECKING:
    from pathlib import Path

TUTORIALS = sorted((pages.DOCS / "tutorial").glob("*.md"))


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda tutorial: tutorial.stem)
def test_the_tutorial_works(tutorial: Path, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        reader.follow(pages.blocks(tutorial))
