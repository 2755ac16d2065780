from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from scaffold.core.diagnostics import Location, ScaffoldError
from scaffold.shell import descriptors
from tests.support import scaffold, write


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "scaffold.toml": '[stores.a]\nproto = ["a.proto", "google/longrunning/operations.proto"]\nservices = ["a.S"]\n',
            "protos/a.proto": """
                syntax = "proto3";
                package a;
                import "google/type/money.proto";
                import "google/protobuf/empty.proto";
                service S { rpc A(M) returns (google.protobuf.Empty); }
                message M { google.type.Money m = 1; }
            """,
        },
    )
    said = scaffold(tmp_path, "regen")
    assert said.code == 0, said.text
    return tmp_path


def test_what_is_generated_reads_back(shop: Path) -> None:
    found = descriptors.read(shop / "services/a/src/a/gen/descriptors.py", "shown.py")
    assert [name for name, _ in found.files] == ["a.proto"]
    assert [name for name, _ in found.kept] == ["google/longrunning/operations.proto"]
    assert found.services == ("a.S",)
    assert {"google.type.money_pb2", "google.protobuf.empty_pb2"} <= set(found.installed)
    file = descriptor_pb2.FileDescriptorProto.FromString(found.files[0][1])
    assert (file.name, file.service[0].name) == ("a.proto", "S")


def test_it_is_complete(shop: Path) -> None:
    found = descriptors.read(shop / "services/a/src/a/gen/descriptors.py", "shown.py").complete()
    pool = descriptor_pool.DescriptorPool()
    for _, data in found:  # imports come first, or this raises
        pool.AddSerializedFile(data)
    assert pool.FindServiceByName("a.S").methods[0].name == "A"
    assert len({name for name, _ in found}) == len(found)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "import os",
        "def (",
        "\x00",
        'FILES: x = (("a", 3),)\nKEPT: x = ()\nINSTALLED: x = ()\nSERVICES: x = ()',
        "FILES: x = 1\nKEPT: x = ()\nINSTALLED: x = ()\nSERVICES: x = ()",
        'FILES: x = (("a", b64decode("a")),)\nKEPT: x = ()\nINSTALLED: x = ()\nSERVICES: x = ()',
        'FILES: x = (("a", b64decode()),)\nKEPT: x = ()\nINSTALLED: x = ()\nSERVICES: x = ()',
        "FILES: x = open('/etc/passwd')\nKEPT: x = ()\nINSTALLED: x = ()\nSERVICES: x = ()",
    ],
)
def test_what_does_not_read(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "descriptors.py"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ScaffoldError) as caught:
        descriptors.read(path, "shown.py")
    (found,) = caught.value.diagnostics
    assert (found.slug, found.where) == ("descriptors-unreadable", Location("shown.py"))
    assert "scaffold regen" in found.remedy


def test_reading_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    data = b64encode(b"x").decode()
    path = tmp_path / "descriptors.py"
    path.write_text(
        f"import pathlib\npathlib.Path({str(marker)!r}).touch()\nFILES: x = (('a', b64decode('{data}')),)\n"
        "KEPT: x = ()\nINSTALLED: x = ()\nSERVICES: x = ('s',)\n",
        encoding="utf-8",
    )
    assert descriptors.read(path, "shown.py").files == (("a", b"x"),)
    assert not marker.exists()
