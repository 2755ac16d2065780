"""The floor of a full regeneration: start, import the compiler, make the descriptor set of the same protos, end."""

import sys

from grpc_tools import _protoc_compiler

from scaffold.shell.protoc import installed


def main(root: str, output: str, files: list[str]) -> int:
    """Compile files under a root to a descriptor set with imports and source info."""
    paths = [f"-I{virtual}={disk}" for virtual, disk in installed()]
    arguments = ["protoc", *paths, f"-I{root}", "--include_imports", "--include_source_info", f"-o{output}", *files]
    return int(_protoc_compiler.run_main([a.encode() for a in arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
