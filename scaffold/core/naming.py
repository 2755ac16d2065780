"""Every case change, reserved word and collision rule. Nothing else in the project turns one name into another."""

from __future__ import annotations

import keyword
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Import names of what generated services, their tests and their checks depend on, down to the last of them: a package of
# the same name would hide it. A test compares them with what is installed.
DEPENDENCIES = frozenset(
    """
    alembic annotated_types anyio ast_serialize betterproto2 certifi click cookiecutter dotenv google
    greenlet grimp grpc grpc_health grpc_reflection grpc_status grpc_tools h11 httpcore httpx hypothesis idna
    importlib_metadata importlinter iniconfig jinja2 librt mako markdown_it markupsafe mdurl mypy mypy_extensions mypyc
    opentelemetry packaging pathspec pluggy protobuf protobuf_ext protovalidate psycopg psycopg_binary py pydantic
    pydantic_core pydantic_settings pygments pytest rich ruff scaffold sniffio sortedcontainers sqlalchemy
    typing_extensions typing_inspection uvloop wrapt zipp
    """.split()
)

_COMPONENT = re.compile(r"[a-z][a-z0-9_]*\Z")


def snake(name: str) -> str:
    """``GetURLInfo`` → ``get_url_info``: the words of a proto name, in lower case, joined by underscores."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"_+", "_", name).strip("_").lower() or "unnamed"


def pascal(name: str) -> str:
    """``line_item`` → ``LineItem``. Letters that are upper case already stay so."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[_\-.]+", name) if part)


def identifier(name: str) -> str:
    """The name as a Python identifier: a reserved word gets an underscore, so does a leading digit."""
    if not name.isidentifier():
        name = re.sub(r"\W", "_", name)
        name = name if name.isidentifier() else f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def module(package: str) -> str:
    """The module that holds a proto package's messages: ``shop.cart.v1`` → ``shop_cart_v1``."""
    return identifier(package.replace(".", "_").lower()) if package else "no_package"


def unique(
    names: Iterable[str],
    convert: Mapping[str, str],
    *,
    kept: Mapping[str, str] | None = None,
    taken: Iterable[str] = (),
) -> dict[str, str]:
    """Give every name a converted one of its own; those that are ``kept`` have theirs, ``taken`` ones nobody gets.

    Where several convert to the same (``GetURL`` and ``GetUrl``), the first in alphabetical order keeps it and the
    others get ``_2``, ``_3`` …: so the order of declarations decides nothing. Comparison ignores case, because files
    are named after the result and not every file system tells case apart.
    """
    result = dict(kept or {})
    used = {name.lower() for name in (*taken, *result.values())}
    for name in sorted(set(names) - set(result)):
        wanted, candidate, count = convert[name], convert[name], 1
        while candidate.lower() in used:
            count += 1
            candidate = f"{wanted}_{count}"
        used.add(candidate.lower())
        result[name] = candidate
    return result


def plural(noun: str) -> str:
    """A plain English plural in snake case: ``category`` → ``categories``."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"


def singular(noun: str) -> str:
    """The other way: ``categories`` → ``category``; what is no plural stays."""
    if noun.endswith("ies") and len(noun) > 4:
        return f"{noun[:-3]}y"
    if noun.endswith(("ses", "xes", "ches", "shes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) and len(noun) > 2 else noun


def article(noun: str) -> str:
    """``a`` or ``an``, by the noun's first letter."""
    return "an" if noun[:1].lower() in "aeiou" else "a"


def short(full_name: str) -> str:
    """``shop.cart.v1.CartService.EmptyCart`` → ``CartService.EmptyCart``."""
    return ".".join(full_name.rsplit(".", 2)[-2:])


def component_problem(name: str) -> str | None:
    """Why a component cannot have this name, or None. The name becomes a folder, a table key and ``NAME_ADDRESS``."""
    if not _COMPONENT.match(name):
        return "a component's name is a lower-case letter, then lower-case letters, digits and underscores"
    if keyword.iskeyword(name):
        return "it is a reserved word of Python"
    return None


def package_problem(package: str) -> str | None:
    """Why a component's import package cannot have this name, or None."""
    if not package.isidentifier() or keyword.iskeyword(package):
        return f"`import {package}` is not valid Python"
    if package in sys.stdlib_module_names:
        return f"it would hide the standard library's module `{package}`"
    if package in DEPENDENCIES:
        return f"it would hide the package `{package}`, which generated services use"
    return None


def environment(name: str) -> str:
    """The prefix of a component's environment variables: ``cart`` → ``CART``."""
    return name.upper()


def spellings(component: str, variable: str) -> tuple[str, ...]:
    """The names under which a service looks for a setting: its own prefix wins, and ``_FILE`` names a file with it."""
    prefixed = f"{environment(component)}_{variable}"
    return (variable, f"{variable}_FILE", prefixed, f"{prefixed}_FILE")
