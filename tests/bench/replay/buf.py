"""Where our account of a change agrees with buf's: its breaking findings of level FILE, before anybody joins the two.

Each finding of buf's is about something that was there before: an RPC, a message, a field by its number. So is each
difference of ours that can break somebody. The two agree where both speak about the same thing. What one says by naming a
part and the other one by naming the whole counts as said: a file that is gone takes its messages along, an RPC that was
renamed the request that was named after it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scaffold.core.api import Api
    from scaffold.core.differences import Difference

BUF = Path(sys.executable).parent / "buf"
_CONFIG = json.dumps({"version": "v2", "breaking": {"use": ["FILE"]}})
_QUOTED = re.compile(r'"([^"]*)"')
# Of these, buf looks at those that code generators of some language look at; we tell of all.
_PERHAPS = ("option", "reorder", "comment")


@dataclass(frozen=True)
class Finding:
    """One finding of buf's."""

    rule: str
    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} {self.message}"

    @property
    def names(self) -> list[str]:
        """What stands in quotes."""
        return _QUOTED.findall(self.message)


@dataclass(frozen=True)
class Agreement:
    """How many findings both have, and which only one of them."""

    both: int
    only_buf: tuple[str, ...] = ()
    only_ours: tuple[str, ...] = ()


def installed() -> bool:
    """Whether there is a buf beside this Python (on PyPI: buf-bin)."""
    return BUF.is_file()


def breaking(before: bytes, after: bytes) -> tuple[Finding, ...]:
    """What buf finds between two FileDescriptorSets. Raises RuntimeError where it cannot compare them."""
    with tempfile.TemporaryDirectory(prefix="scaffold-buf-") as folder:
        old, new = Path(folder, "old.binpb"), Path(folder, "new.binpb")
        old.write_bytes(before)
        new.write_bytes(after)
        ran = subprocess.run(
            [str(BUF), "breaking", str(new), "--against", str(old), "--config", _CONFIG, "--error-format", "json"],
            env={**os.environ, "BUF_CACHE_DIR": folder, "HOME": folder},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    if ran.returncode not in (0, 100):
        raise RuntimeError(f"buf: {ran.stderr.strip()}")
    lines = map(json.loads, ran.stdout.splitlines())
    return tuple(Finding(line["type"], line.get("path", ""), line["message"]) for line in lines)


def compare(findings: Iterable[Finding], ours: Iterable[Difference], before: Api, after: Api) -> Agreement:
    """Lay both accounts side by side."""
    said = {subject for difference in ours for subject in _subjects(difference, before, after)}
    theirs = {finding: _subjects_of(finding) for finding in findings}
    found = {subject for subjects in theirs.values() for subject in subjects}
    lost = {subject[1] for subject in found if subject[0] == "file"}
    both = [finding for finding, subjects in theirs.items() if subjects & said or _is_said(finding, said, before)]
    return Agreement(
        len(both),
        tuple(str(finding) for finding in theirs if finding not in both),
        tuple(
            f"{d.what} {d.kind} {d.before} -> {d.after}"
            for d in ours
            if d.before
            and d.what not in (*_PERHAPS, "add")
            and not found & set(_subjects(d, before, after))
            and _file(d.before, before) not in lost
        ),
    )


_Subject = tuple[str, ...]


def _subjects(difference: Difference, before: Api, after: Api) -> Iterator[_Subject]:
    """What a difference of ours is about, as it was called before, without its package."""
    if difference.what == "add" or not difference.before:
        return
    kind, name = difference.kind, difference.before
    if kind in ("field", "value"):
        owner, _, last = name.rpartition(".")
        yield kind, _short(owner, before), str(_number(kind, owner, last, before))
        return
    yield kind, name if kind == "file" else _short(name, before)
    if kind == "rpc" and difference.what in ("rename", "remove"):
        service, _, last = name.rpartition(".")
        method = next(m for m in before.service_by_name[service].methods if m.name == last)
        for type_name in (method.input, method.output):
            if type_name not in after.message_by_name:
                yield "message", _short(type_name, before)


def _number(kind: str, owner: str, name: str, api: Api) -> int:
    if kind == "field":
        field = api.message_by_name[owner].field(name)
        assert field is not None
        return field.number
    return next(value.number for value in api.enum_by_name[owner].values if value.name == name)


def _subjects_of(finding: Finding) -> set[_Subject]:
    """What a finding of buf's is about: its rules name the kind, its messages the rest in quotes."""
    rule, names = finding.rule, finding.names
    if rule == "FILE_NO_DELETE":
        return {("file", names[0])}
    if rule.startswith("FILE_"):
        return {("file", finding.file)}
    if rule.startswith("RPC_"):
        return {("rpc", f"{names[1]}.{names[0]}")}
    if rule.startswith("FIELD_"):
        # Field "4" with name "state" on message "Parcel"; or: Field "2" on message "Parcel" changed name from …
        owner = re.search(r'on message "([^"]*)"', finding.message)
        return {("field", owner[1] if owner else "", names[0])}
    if rule.startswith("ENUM_VALUE_"):
        owner = re.search(r'on enum "([^"]*)"', finding.message)
        return {("value", owner[1] if owner else "", names[0])}
    kind = rule.partition("_")[0].lower()  # MESSAGE_…, ENUM_…, SERVICE_…, ONEOF_…, RESERVED_…
    return {(kind, names[0])}


def _is_said(finding: Finding, said: set[_Subject], before: Api) -> bool:
    """Whether we say with other words what buf has found."""
    if finding.rule == "FILE_NO_DELETE":
        # We say what has left the file.
        file = finding.names[0]
        inside = (*before.message_by_name, *before.enum_by_name, *before.service_by_name)
        return any((kind, _short(n, before)) in said for n in inside if _file(n, before) == file for kind in _KINDS)
    if finding.rule.endswith("_TYPE"):
        # We say that the type itself has another name.
        old = re.search(r'from "([^"]*)" to', finding.message)
        return old is not None and any((kind, _short(old[1], before)) in said for kind in _KINDS)
    return finding.rule == "ONEOF_NO_DELETE" and any(s[:2] == ("field", finding.names[1]) for s in said)


_KINDS = ("message", "enum", "service")


def _file(name: str, api: Api) -> str:
    """The file that declared something, by its full name or by that of what is in it."""
    while name:
        found = api.message_by_name.get(name) or api.enum_by_name.get(name) or api.service_by_name.get(name)
        if found is not None:
            return found.file
        name = name.rpartition(".")[0]
    return ""


def _short(name: str, api: Api) -> str:
    """A full name without its package."""
    packages = [package for package in api.packages.values() if package and name.startswith(f"{package}.")]
    return name.removeprefix(f"{max(packages, key=len)}.") if packages else name
