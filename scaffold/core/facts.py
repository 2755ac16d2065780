"""What an anti-corruption layer has to know of the monolith's models: the part of a snapshot that mappings are about."""

from __future__ import annotations

from dataclasses import dataclass

Value = str | int | float | bool | None


@dataclass(frozen=True)
class ColumnFacts:
    """A field of a model, as ``runtime/acl/facts.py`` has it.

    ``kind`` is one of that module's; ``stored`` columns have to be accounted for. ``names`` are what the monolith calls its
    ``choices``, in their order; none where it calls none. ``attribute`` is where a row holds the
    value itself, if elsewhere (``cart_id``); ``model`` where a relation leads. ``low`` and ``high`` are the bounds of whole
    numbers, ``digits`` and ``places`` those of decimals, ``length`` that of text; None where nothing bounds them.
    """

    name: str
    kind: str
    null: bool = False
    choices: tuple[Value, ...] = ()
    names: tuple[str, ...] = ()
    aware: bool = True
    stored: bool = True
    attribute: str = ""
    model: str = ""
    low: int | None = None
    high: int | None = None
    digits: int | None = None
    places: int | None = None
    length: int | None = None


@dataclass(frozen=True)
class ModelFacts:
    """A model by the name that introspection gives it, and the module that has it."""

    name: str
    module: str
    class_name: str
    columns: tuple[ColumnFacts, ...]
