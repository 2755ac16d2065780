"""Does what a page tells its reader to do: runs its commands, writes its files, makes its edits.

The info string of a fenced block says what becomes of it::

    ```console                 commands behind `$ `; the lines below each are a part of what it prints
    ```console exit=1          the last command ends with that code
    ```console terminal=2      a command that goes on in a terminal of its own; a line `^C` ends the one that is there
    ```LANGUAGE file=PATH      the content of a file
    ```diff file=PATH          an edit: the lines without `+` stand in the file once, and become those without `-`
    ```console env=NAME=VALUE  with a variable that an installation would make unnecessary
    ```console environment=NAME at=PATH   makes a monolith's virtual environment at PATH; here that is a link to one of
                               `tests/monoliths/environments.py`, without which the test is skipped by name (in CI: fails)
    ```console skip            not run

Blocks in other languages, without `file`, are for reading.

A port that a command names, as `127.0.0.1:8047`, `PORT=8047` or `--port 8047`, is a free one here: several runs share a machine.

Output is compared loosely: numbers, ids, times, white space and the bars of a trace may differ, lines may be left out, and
`…` stands for anything.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from scaffold.shell.services import free_port
from tests.monoliths import environments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.docs.pages import Block

SECONDS = 120.0

# What makes a workspace, as against looking at it.
_MAKING = re.compile(r"(cd|mkdir|scaffold (init|new|regen|acl introspect)) [^;&]*|scaffold regen")

# What a `pip install` names: `django==4.2`.
_REQUIREMENT = re.compile(r"[\w-]+==[\d.]*\d")

_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=PORT=)\d+|(?<=--port )\d+")

_VARIABLES = ("DATABASE_URL", "PORT", "HOST", "LOG_LEVEL", "NO_COLOR")
_LOOSE = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"█+"), " "),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\b[0-9a-f]{16,64}\b"), "ID"),
    (re.compile(r"\d+(\.\d+)*"), "N"),
    (re.compile(r"\s+"), " "),
)


class Reader:
    """Somebody who follows a guide, in a folder of their own, with as many terminals as it takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.here = folder
        self._state = folder / ".reader"
        self._state.mkdir()
        self._ports: dict[str, str] = {}
        self._beside: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for terminal in list(self._beside):
            self._interrupt(terminal)

    def follow(self, steps: Iterable[Block], *, only_make: bool = False) -> None:
        """Do what the blocks say, in order; with ``only_make`` only what brings the workspace to where they end."""
        for block in steps:
            if "skip" in block.words:
                continue
            if "environment" in block.words:
                self._link(block)
            elif "file" in block.words:
                self._write(block)
            elif block.language == "console" and "terminal" in block.words:
                if not only_make:
                    self._run_beside(block)
            elif block.language == "console":
                self._run(block, only_make)

    def _link(self, block: Block) -> None:
        """Put an environment that is there already where the commands would make one, if it has what they install."""
        name, at = block.words["environment"], self.here / block.words["at"]
        interpreter = environments.python(name)
        pinned = environments.ENVIRONMENTS[name].requirements.read_text(encoding="utf-8")
        for wanted in _REQUIREMENT.findall(block.text):
            assert wanted in pinned, f"{block}: {wanted} is not what {name}.txt has"
        at.symlink_to(interpreter.parents[1])

    def _write(self, block: Block) -> None:
        target = self.here / block.words["file"]
        if block.language != "diff":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
            return
        lines = block.text.splitlines(keepends=True)
        before = "".join(line[1:] or "\n" for line in lines if not line.startswith("+"))
        after = "".join(line[1:] or "\n" for line in lines if not line.startswith("-"))
        text = target.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{block}: the edit fits {target.name} {text.count(before)} times:\n{text}"
        target.write_text(text.replace(before, after), encoding="utf-8")

    def _run(self, block: Block, only_make: bool) -> None:
        commands = list(_commands(block.text))
        for number, (command, printed) in enumerate(commands):
            if only_make and not _MAKING.fullmatch(command):
                continue
            last = number == len(commands) - 1
            code = int(block.words.get("exit", "0")) if last else 0
            output = self._shell(command, code, block)
            if not only_make:
                compare(printed, output, f"{block}: {command}")

    def _shell(self, command: str, code: int, block: Block) -> str:
        """Run a command where the one before it has ended; its output, standard error included."""
        command = self._on_free_ports(command)
        place = self._state / "place"
        ran = subprocess.run(
            ["bash", "-c", f'{command}\nstatus=$?; pwd > "{place}"; exit $status'],
            cwd=self.here,
            env=self._environment(block),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
        output = ran.stdout.decode(errors="replace")
        assert ran.returncode == code, f"{block}: {command} ended with {ran.returncode}, not {code}:\n{output}"
        self.here = Path(place.read_text(encoding="utf-8").strip())
        return output

    def _run_beside(self, block: Block) -> None:
        terminal = block.words["terminal"]
        text = block.text
        if text.startswith("^C\n"):
            self._interrupt(terminal)
            text = text.removeprefix("^C\n")
        for command, printed in _commands(text):
            log = self._state / f"terminal-{terminal}.log"
            with log.open("wb") as output:
                # A session of its own, so that no signal of the test's reaches it by chance.
                process = subprocess.Popen(
                    ["bash", "-c", f"exec {self._on_free_ports(command)}"],
                    cwd=self.here,
                    env=self._environment(block),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._beside[terminal] = process, log
            self._wait_for(printed, process, log, f"{block}: {command}")

    def _on_free_ports(self, command: str) -> str:
        return _PORT.sub(lambda port: self._ports.setdefault(port[0], str(free_port())), command)

    def _wait_for(self, printed: Sequence[str], process: subprocess.Popen[bytes], log: Path, where: str) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            output = log.read_text(encoding="utf-8", errors="replace")
            if missing(printed, output) is None:
                return
            if process.poll() is not None or time.monotonic() > deadline:
                compare(printed, output, where)
            time.sleep(0.05)

    def _interrupt(self, terminal: str) -> None:
        """Press Ctrl-C, and wait for the command to end well."""
        process, log = self._beside.pop(terminal)
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        assert code == 0, f"after Ctrl-C it ended with {code}:\n{log.read_text(encoding='utf-8', errors='replace')}"

    def _environment(self, block: Block) -> dict[str, str]:
        """The developer's own, without what would decide about the services, and with this interpreter's commands first."""
        own = {k: v for k, v in os.environ.items() if k not in _VARIABLES and not k.startswith(("OTEL_", "PYTEST_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', os.defpath)}"
        name, found, value = block.words.get("env", "").partition("=")
        return {**own, "PATH": path, "COLUMNS": "100"} | ({name: value} if found else {})


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines below it."""
    command = ""
    printed: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line.removeprefix("$ "), []
        elif command.endswith("\\"):
            command = f"{command}\n{line}"
        else:
            assert command, f"a console block begins with a command: {line!r}"
            printed.append(line)
    if command:
        yield command, printed


def compare(printed: Sequence[str], output: str, where: str) -> None:
    """Fail where the output has not, in this order, the lines that the page shows."""
    line = missing(printed, output)
    assert line is None, f"{where}: does not print {line!r}, or not there:\n{output}"


def missing(printed: Sequence[str], output: str) -> str | None:
    """The first line that should be in the output and is not; None where all are."""
    rest = iter(_loose(line) for line in output.splitlines())
    for line in printed:
        parts = [_loose(part) for part in line.split("…")]
        if any(parts) and not any(_in_order(parts, got) for got in rest):
            return line
    return None


def _in_order(parts: Sequence[str], line: str) -> bool:
    at = 0
    for part in parts:
        at = line.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def _loose(line: str) -> str:
    for pattern, instead in _LOOSE:
        line = pattern.sub(instead, line)
    return line.strip()
