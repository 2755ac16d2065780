"""`scaffold test`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scaffold.verbs.test import Tally

_PYTEST = "scaffold.pytest"
_HEADER = re.compile(r"[0-9a-z_.-]+")


class _WithPytestArguments(click.Command):
    """Keeps what follows `--` apart: it is pytest's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            split = args.index("--")
            ctx.meta[_PYTEST] = args[split + 1 :]
            args = args[:split]
        return super().parse_args(ctx, args)


@click.command("test", cls=_WithPytestArguments, options_metavar="[OPTIONS]", add_help_option=True)
@click.option("--no-pending", is_flag=True, help="A handler that is not written yet is a failure.")
@click.option(
    "--against", metavar="HOST:PORT|acl", default="",
    help="Test a server that is running, whoever wrote it; or the monolith behind the component's anti-corruption layer. "
    "`acl:HOST:PORT` is a running service, called through the layer.",
)  # fmt: skip
@click.option(
    "--metadata", multiple=True, metavar="KEY=VALUE", help="A header of every call, a tenant's say. Repeatable."
)
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a JUnit report there."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "github"]), default="text",
    help="github: failures as annotations of a GitHub workflow too, at the RPC's line of the proto.",
)  # fmt: skip
@click.argument("names", nargs=-1, metavar="[NAME...] [-- PYTEST ARGUMENTS]")
@click.pass_context
def command(
    ctx: click.Context,
    no_pending: bool,
    against: str,
    metadata: tuple[str, ...],
    junit: Path | None,
    form: str,
    names: tuple[str, ...],
) -> int:
    """Run the contract suites, of the named components or of all.

    In process: a store on a throwaway database, a process over the workspace's real stores. With `--against` one
    component that is running already, which need not be ours; the suite makes and deletes things there. Handlers that
    are not written yet are pending, by name, and never passed; failures in contracts/known-failures.toml are known. Exit
    code 1: a contract failed, or nothing was tested; 2: nobody answers there, or something in the settings is wrong.
    Needs the extra `test`.

    What follows `--` goes to pytest, and to the suite's own part of it: `-k GetProduct`, `-x`, `--contract-seed N` for
    other examples, `--contract-examples N` for more of them.
    """
    from scaffold.shell import console
    from scaffold.verbs.test import test

    tested = test(
        Path.cwd(),
        names,
        ctx.meta.get(_PYTEST, ()),
        no_pending=no_pending,
        against=_address(against),
        metadata=[_header(text) for text in metadata],
        junit_file=junit,
    )
    if form == "github":
        console.show_github(tested.broken)
    if tested.printed:
        console.say("what answered has last printed")
        for line in tested.printed:
            console.say(f"  | {console.printable(line)}")
    for line in summary(tested.tallies):
        console.say(line)
    for line in tested.undecided:
        console.say(f"undecided: {line}")
    return tested.exit_code


def _address(text: str) -> str:
    """HOST:PORT, with an IPv6 host in brackets; `acl`, alone or before one; or empty."""
    host, _, port = text.removeprefix("acl:").rpartition(":")
    if text == "acl":
        return text
    if text and not (host and port.isdigit() and 0 < int(port) < 2**16):
        raise click.BadParameter(f'"{text}" is no HOST:PORT', param_hint="--against")
    return text


def _header(text: str) -> tuple[str, str]:
    """KEY=VALUE as a header; gRPC wants keys in lower case, without spaces (https://grpc.io/docs/guides/metadata)."""
    key, equals, value = text.partition("=")
    if not equals or not _HEADER.fullmatch(key.lower()) or not (value.isascii() and value.isprintable()):
        raise click.BadParameter(f'"{key}" is no header written as KEY=VALUE', param_hint="--metadata")
    return key.lower(), value


def summary(tallies: tuple[Tally, ...]) -> list[str]:
    """A line for each component: what passed, what is pending, what failed."""
    width = max((len(t.component) for t in tallies), default=0)
    return [
        f"{t.component:<{width}} {t.passed:>4} passed, {t.pending} pending, {t.failed} failed"
        + (f", {t.known} known to fail" if t.known else "")
        + (f", {t.skipped} not decided" if t.skipped else "")
        for t in tallies
    ]
