"""The constraints of an API (https://protovalidate.com), enforced: a request that breaks one never reaches its handler.

Here because the API imports ``buf/validate/validate.proto``; generated code hands :class:`Constraints` to the component.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from google.protobuf.field_mask_pb2 import FieldMask

from ..common.errors import InvalidArgument
from .problems import StartError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message
    from protovalidate import FieldPathElementPb, Validator, Violation

_MASK = "update_mask"
_EVERYTHING = ["*"]


class Constraints:
    """Checks requests by the rules in their descriptors."""

    def __init__(self) -> None:
        self._validator: Validator | None = None

    def prepare(self, request: type[Message]) -> None:
        """Read the rules of a type of request.

        Raises :class:`StartError` for a rule that means nothing, or where the package that knows them is not installed.
        """
        try:
            from protovalidate import CompilationError, Validator
        except ImportError:
            raise StartError(
                'the API has constraints (buf/validate), and protovalidate is not installed: add "protovalidate>=2.1" to '
                "the dependencies in pyproject.toml"
            ) from None
        self._validator = self._validator or Validator()
        try:
            self._validator.collect_violations(request())
        except CompilationError as error:
            raise StartError(f"a constraint in {request.DESCRIPTOR.full_name} cannot be used: {error}") from None

    def check(self, request: Message) -> None:
        """Raises :class:`InvalidArgument` naming each field that breaks a rule, and saying which.

        An Update (https://google.aip.dev/134) is checked in what its mask names: the rest of the resource is not meant.
        """
        assert self._validator is not None, "prepare() comes first"
        found: dict[str, str] = {}
        for violation in self._validator.collect_violations(request):
            elements = list(violation.proto.field.elements) if violation.proto.field else []
            if _is_meant(request, [element.field_name or "" for element in elements]):
                path = "".join(map(_shown, elements)).removeprefix(".")
                said = _said(violation)
                found[path] = f"{found[path]}; {said}" if path in found else said
        if found:
            text = ", ".join(f"{path}: {said}" if path else said for path, said in found.items())
            raise InvalidArgument(text, reason="CONSTRAINT_VIOLATED", violations=found)


def _is_meant(request: Message, path: Sequence[str]) -> bool:
    """Whether a violation is about what the caller wants: with an ``update_mask``, only what that names."""
    mask = request.DESCRIPTOR.fields_by_name.get(_MASK)
    if mask is None or mask.message_type is not FieldMask.DESCRIPTOR or len(path) < 2 or path[0] == _MASK:
        return True
    paths = list(cast("FieldMask", getattr(request, _MASK)).paths)
    if paths == _EVERYTHING or getattr(request, "allow_missing", False):
        return True
    if not paths:  # which names the fields that are set
        return path[1] in {field.name for field, _ in getattr(request, path[0]).ListFields()}
    return path[1] in {head.partition(".")[0] for head in paths}


def _said(violation: Violation) -> str:
    said = violation.proto.message or violation.proto.rule_id or "is not valid"
    return f"key {said}" if violation.proto.for_key else said


def _shown(element: FieldPathElementPb) -> str:
    """A step of a path: ``.lines``, ``.lines[3]``, ``.places["home"]``."""
    if element.subscript is None:
        return f".{element.field_name}"
    place = element.subscript.value
    return f'.{element.field_name}["{place}"]' if isinstance(place, str) else f".{element.field_name}[{place}]"
