"""Resource names (https://google.aip.dev/122): ``products/espresso-cup``, and the ids that they are made of."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Pattern

from .errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

_ID = "[A-Za-z0-9._~-]{1,63}"
_ID_RULE = "1 to 63 letters, digits, '.', '_', '~' or '-'"
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SHOWN = 100

# Stands for any id where several collections are read (https://google.aip.dev/159).
_WILDCARD = "-"


class _Pattern(NamedTuple):
    """A pattern, and what names like it look like, and those of their parents."""

    text: str
    variables: tuple[str, ...]
    name: Pattern[str]
    parent: Pattern[str]


class ResourceName:
    """The name of a resource. A subclass stands for one pattern: ``pattern = "users/{user}/orders/{order}"``.

    ``OrderName("ann", "7")`` and ``OrderName.parse("users/ann/orders/7")`` are equal, ``str()`` of both is the name,
    and their ``ids`` are ``("ann", "7")``. Every id is 1 to 63 letters, digits or any of ``. _ ~ -``.

    A resource that lives in several collections (https://google.aip.dev/123) has the others in ``alternatives``. Names
    of all of them are parsed; ``OrderName(…)`` makes one of the first.
    """

    pattern: ClassVar[str]
    alternatives: ClassVar[tuple[str, ...]] = ()
    #: The names of the pattern's variables, in order.
    variables: ClassVar[tuple[str, ...]]
    _patterns: ClassVar[tuple[_Pattern, ...]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._patterns = tuple(_taken_apart(cls, text) for text in (cls.pattern, *cls.alternatives))
        cls.variables = cls._patterns[0].variables

    def __init__(self, *ids: str) -> None:
        """Make the name from its ids, in the order of the pattern.

        Raises :class:`InvalidArgument` naming the variable whose id is malformed, ``TypeError`` for too few or too many.
        """
        self._fill(self._patterns[0], ids)

    @classmethod
    def parse(cls, name: str, *, field: str = "name") -> Self:
        """The resource name in ``name``, which came in the request's field ``field``.

        Raises :class:`InvalidArgument` naming the field when it does not fit the pattern.
        """
        for pattern in cls._patterns:
            match = pattern.name.fullmatch(name)
            if match is not None:
                return cls._filled(pattern, match.groups())
        raise InvalidArgument(f"{_shown(name)} is not a name like {cls._like()}, with ids of {_ID_RULE}", field=field)

    @classmethod
    def parse_all(cls, names: Iterable[str], *, field: str = "names") -> tuple[Self, ...]:
        """The resource names in a repeated field. Raises :class:`InvalidArgument` naming the place: ``names[3]``."""
        return tuple(cls.parse(name, field=f"{field}[{index}]") for index, name in enumerate(names))

    @classmethod
    def under(cls, parent: str, own_id: str, *, field: str = "parent") -> Self:
        """The name of the child ``own_id`` of a parent: ``BookName.under("shelves/1", "7")`` is ``shelves/1/books/7``.

        Raises :class:`InvalidArgument` naming the field that held the parent when it does not fit the pattern.
        """
        if _WILDCARD not in parent.split("/"):
            for pattern in cls._patterns:
                match = pattern.parent.fullmatch(parent)
                if match is not None:
                    return cls._filled(pattern, (*match.groups(), own_id))
        raise cls._no_parent(parent, field)

    @classmethod
    def check_parent(cls, parent: str, *, field: str = "parent") -> str:
        """``parent``, where resources of this kind can be below it; ``-`` stands for any id (https://google.aip.dev/159).

        Raises :class:`InvalidArgument` naming the field ``field`` that it came in.
        """
        if any(pattern.parent.fullmatch(parent) for pattern in cls._patterns):
            return parent
        raise cls._no_parent(parent, field)

    @property
    def parent(self) -> str:
        """The name of the resource that this one belongs to; empty at the top. See :func:`parent_of`."""
        return parent_of(self._name)

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(map(repr, self.ids))})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and str(other) == self._name

    def __hash__(self) -> int:
        return hash(self._name)

    @classmethod
    def _filled(cls, pattern: _Pattern, ids: tuple[str, ...]) -> Self:
        name = cls.__new__(cls)
        name._fill(pattern, ids)
        return name

    def _fill(self, pattern: _Pattern, ids: tuple[str, ...]) -> None:
        if len(ids) != len(pattern.variables):
            raise TypeError(f"{type(self).__qualname__} takes {', '.join(pattern.variables)}; {len(ids)} ids given")
        for variable, value in zip(pattern.variables, ids):
            _check_id(value, variable)
        self.ids = ids
        filled = iter(ids)
        self._name = _VARIABLE.sub(lambda _: next(filled), pattern.text)

    @classmethod
    def _like(cls) -> str:
        return " or ".join(pattern.text for pattern in cls._patterns)

    @classmethod
    def _no_parent(cls, parent: str, field: str) -> InvalidArgument:
        wanted = " or ".join(parent_of(pattern.text) or "nothing" for pattern in cls._patterns)
        return InvalidArgument(f"{_shown(parent)} is not a parent like {wanted}, with ids of {_ID_RULE}", field=field)


def _taken_apart(cls: type[ResourceName], text: str) -> _Pattern:
    # re.split with a group gives text and variable in turn.
    parts = _VARIABLE.split(text)
    if any(set("{}*") & set(part) for part in parts[::2]):
        raise TypeError(f'{cls.__qualname__}: "{text}" is not made of text and {{variables}} only')
    return _Pattern(text, tuple(parts[1::2]), _expression(text), _expression(parent_of(text)))


def _expression(text: str) -> Pattern[str]:
    parts = _VARIABLE.split(text)
    return re.compile("".join(f"({_ID})" if index % 2 else re.escape(part) for index, part in enumerate(parts)))


def parent_of(name: str) -> str:
    """The name without its last collection and id: ``users/ann`` for ``users/ann/orders/7`` and ``users/ann/settings``.

    Collections and ids alternate; a name with an odd number of segments ends in a singleton (https://google.aip.dev/156).
    """
    segments = name.split("/")
    return "/".join(segments[: (len(segments) - 1) // 2 * 2])


def new_id(wanted: str = "", *, field: str = "id") -> str:
    """The id for a new resource: ``wanted`` by the caller (AIP-133), or a fresh one where that is empty.

    ``field`` is the request's field that ``wanted`` came in; a malformed one raises :class:`InvalidArgument` naming it.
    """
    if not wanted:
        return uuid.uuid4().hex
    _check_id(wanted, field)
    if wanted == _WILDCARD:
        raise InvalidArgument(f'"{wanted}" stands for any id where several collections are read', field=field)
    return wanted


def _check_id(value: str, field: str) -> None:
    if re.fullmatch(_ID, value) is None:
        raise InvalidArgument(f"{_shown(value)} is not an id: {_ID_RULE}", field=field)


def _shown(text: str) -> str:
    """The text in quotes, cut where it is too long to read."""
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}…"'
