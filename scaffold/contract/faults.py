"""Faults that are planted in a copy of a generated store, to see whether the suite is awake.

Each is a few lines at the end of a module of the runtime, where they put something faulty in the place of what is there.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A fault: its name for people, the module below ``gen/runtime`` that has it, and its code."""

    name: str
    module: str
    code: str


FAULTS = (
    Fault(
        "lost write",
        "store/repository.py",
        """
def _lose(self, name, message):
    pass


Repository.add = _lose
""",
    ),
    Fault(
        "page off by one",
        "store/repository.py",
        """
_list = Repository.list


def _skip_one(self, page_size=0, page_token="", *rest, **more):
    page = _list(self, page_size, page_token, *rest, **more)
    return Page(page.items[1:], page.next_page_token) if page_token else page


Repository.list = _skip_one
""",
    ),
    Fault(
        "leaked error",
        "common/errors.py",
        """
import traceback

_to_status = to_status


def to_status(error, service):
    status = _to_status(error, service)
    status.message = "".join(traceback.format_exception(error))[-_MESSAGE_BYTES:]
    return status
""",
    ),
)


def plant(fault: Fault, src: Path, package: str, copy: Path) -> None:
    """Copy a component's source folder and plant a fault in the copy."""
    shutil.copytree(src, copy, ignore=shutil.ignore_patterns("__pycache__"))
    module = copy / package / "gen" / "runtime" / fault.module
    module.write_text(f"{module.read_text(encoding='utf-8')}\n{fault.code}", encoding="utf-8")
