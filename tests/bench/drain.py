"""Ten thousand calls through SIGTERMs: each one that a generated store has accepted is answered, and what it says is so."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import grpc

from tests.generated.books import Books, through_sigterms
from tests.postgresql import postgresql

ROOT = Path(__file__).resolve().parents[2]
CALLS = 10_000
STOPS = (2000, 4000, 6000, 8000)


def drain(folder: Path) -> None:
    """Make the calls on both databases and print what came of them."""
    books = make_books(folder)
    with postgresql() as server:
        for url in (f"sqlite:///{folder}/books.db", server.create()):
            books.migrate(url)
            report(books, url)
    print()


def make_books(folder: Path) -> Books:
    """A store of books, generated from the proto that `new` writes."""
    for place, arguments in ((folder, ("init", "shop")), (folder / "shop", ("new", "store", "books"))):
        command = [sys.executable, "-m", "scaffold", *arguments]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=place, env=environ, check=True, capture_output=True)
    return Books(folder / "shop")


def report(books: Books, url: str) -> None:
    """One run. A write that was answered OK and is not there is lost; one that was refused and is there was done in secret."""
    begun = time.monotonic()
    callers, found = through_sigterms(books, url, CALLS, STOPS)
    refused = len(callers.answered) - callers.codes[grpc.StatusCode.OK]
    codes = ", ".join(f"{count} {code.name}" for code, count in callers.codes.most_common())
    database = url.partition(":")[0].partition("+")[0]
    print(
        f"{CALLS} calls that write, {callers.threads} at once, through {len(STOPS)} SIGTERMs on {database}, "
        f"in {time.monotonic() - begun:.0f} s\n"
        f"  {len(callers.answered)} ended: {codes}\n"
        f"  lost of those that were answered: {len(callers.acknowledged - found)}; "
        f"done of the {refused} that were refused: {len(found - callers.acknowledged)}",
        flush=True,
    )
