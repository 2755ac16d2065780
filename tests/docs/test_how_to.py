"""The how-to guides: what they tell their readers to do works."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs import pages
from tests.docs.guides import Reader

if TYPE_CHECKING:
    from pathlib import Path

GUIDES = sorted((pages.DOCS / "how-to").glob("*.md"))

_AFTER = re.compile(r"^<!-- after: (?P<page>\S+) -->$", re.MULTILINE)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_the_guide_works(guide: Path, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        for match in _AFTER.finditer(guide.read_text(encoding="utf-8")):
            reader.follow(pages.blocks(pages.DOCS / match["page"]), only_make=True)
        reader.follow(pages.blocks(guide))
