"""`python -m scaffold` and the command `scaffold`.

An unchanged `regen` is answered here, before anything heavy is imported: it compares size and time of every file that
went into the last run and came out of it.
"""

import sys


def main() -> None:
    """Run the command line and exit."""
    if sys.argv[1:] == ["regen"] and (said := _unchanged()):
        print(said)
        raise SystemExit(0)
    from scaffold.cli.main import run

    run()


def _unchanged() -> str:
    """What to say when nothing has changed since the last `regen` here; empty where that is not certain."""
    import json
    import os

    from scaffold import __version__

    folder = os.getcwd()  # noqa: PTH109 - pathlib costs more than this whole function
    while not os.path.isfile(f"{folder}/scaffold.toml"):  # noqa: PTH113
        folder, last = os.path.dirname(folder), folder  # noqa: PTH120
        if folder == last:
            return ""
    try:
        with open(f"{folder}/.scaffold/cache/stat.json", encoding="utf-8") as file:  # noqa: PTH123
            note = json.load(file)
        if (note["root"], note["version"], note["python"]) != (folder, __version__, sys.version):
            return ""
        for path, known in note["files"].items():
            try:
                status = os.stat(path)  # noqa: PTH116
                now = [status.st_size, status.st_mtime_ns]
            except OSError:
                now = None
            if now != known:
                return ""
        return f"files: {note['count']} unchanged"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


if __name__ == "__main__":
    main()
