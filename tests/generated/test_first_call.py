"""The first call is one like any other: whatever a service needs, it has imported before it serves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import grpc
import pytest

if TYPE_CHECKING:
    from tests.generated.books import Books

# A line of `python -X importtime`: the time of the module alone, with what it imports, its name.
_IMPORT = re.compile(r"^import time:\s+\d+ \|\s+\d+ \| +(?P<module>\S+)$", re.MULTILINE)
_MARK = "--- served ---"


@pytest.mark.parametrize("traced", [False, True], ids=["no exporter", "exporting"])
def test_calls_import_nothing(books: Books, database_url: str, traced: bool) -> None:
    exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_INSECURE": "true"}
    environ = {"PYTHONPROFILEIMPORTTIME": "1", **(exporting if traced else {})}
    with books.serving(database_url, **environ) as program:
        program.mark(_MARK)
        program.create("first")
        assert program.get("first") == ""
        assert set(program.all()) == {"first"}
        with pytest.raises(grpc.RpcError):
            program.get("nobody")
        log = program.kill()
    before, _, after = log.partition(_MARK)
    assert len(_IMPORT.findall(before)) > 100
    assert [module for module in _IMPORT.findall(after) if not module.startswith("encodings")] == []
