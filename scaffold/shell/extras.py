"""What the installation has: packages of an extra that were left out are named, with the command that brings them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Iterable


def require(extra: str, purpose: str, modules: Iterable[str]) -> None:
    """Make sure that modules can be imported, without importing them. Raises ScaffoldError ``extra-missing``.

    ``purpose`` begins the message: "running services needs".
    """
    missing = [name for name in modules if not _found(name)]
    if missing:
        message = f"{purpose} packages that are not installed here: {', '.join(missing)}"
        raise ScaffoldError(Diagnostic("extra-missing", message, remedy=f"pip install 'apifirst-scaffold[{extra}]'"))


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
