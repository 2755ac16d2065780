"""A report as JUnit's XML: a test case for each RPC and check, passes included.

The dialect is the one that CI servers read (a ``testsuite`` for each component; seed, target and digest of the API as
``properties`` of the suite and of every case).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Mapping

# What XML 1.0 has no way to write (https://www.w3.org/TR/xml/#charsets).
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def dumps(report: Mapping[str, Any]) -> bytes:
    """The XML of a report (as :meth:`.report.Report.dumps` writes it, parsed)."""
    root = ElementTree.Element("testsuites", name="contracts")
    for component, table in report["components"].items():
        lines = table["checks"]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=component,
            tests=str(len(lines)),
            failures=str(table["failed"]),
            errors="0",
            skipped=str(sum(line["result"] not in ("passed", "failed") for line in lines)),
            time=f"{table['seconds']:.3f}",
        )
        properties = {"target": report["target"], "seed": str(report["seed"]), "api": table["api"]}
        _add_properties(suite, properties)
        for line in lines:
            _add_case(suite, component, line, properties)
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _add_case(
    suite: ElementTree.Element, component: str, line: Mapping[str, Any], properties: Mapping[str, str]
) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"{component}.{line['rpc']}" if line["rpc"] else component,
        name=line["check"],
        time=f"{line['seconds']:.3f}",
    )
    if line["where"]:
        file, _, number = line["where"].rpartition(":")
        case.set("file", _written(file))
        case.set("line", number)
    _add_properties(case, {**properties, "result": line["result"]})
    if line["result"] == "passed":
        return
    failed = line["result"] == "failed"
    text = _written(line["text"])
    message = line["summary"] if failed else f"{line['result']}: {line['text'].partition(chr(10))[0]}"
    ending = ElementTree.SubElement(case, "failure" if failed else "skipped", message=_written(message))
    if failed:
        ending.text = text


def _add_properties(element: ElementTree.Element, properties: Mapping[str, str]) -> None:
    table = ElementTree.SubElement(element, "properties")
    for name, value in properties.items():
        ElementTree.SubElement(table, "property", name=name, value=_written(value))


def _written(text: str) -> str:
    """Text with what XML cannot hold in a form that one can read."""
    return _NO_CHARACTER.sub(lambda match: f"\\x{ord(match.group()):02x}", text)
