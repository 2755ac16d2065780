"""`scaffold acl`: beside the monolith."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("acl")
def command() -> None:
    """Work beside a monolith: look at it, and at the layers between it and the APIs."""


@command.command("check")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github"]), default="text",
    help="For people, for programs, or as annotations of a GitHub workflow.",
)  # fmt: skip
def check(names: tuple[str, ...], form: str) -> int:
    """Check that the mappings of the named layers, or of all, are complete: ACL001 to ACL007, each with its line.

    Also that the port answers every RPC, and that seam.toml can be read. A changed proto or snapshot leads to the lines
    that have to follow. Exit code 1: something was found.
    """
    from scaffold.cli.check import show
    from scaffold.verbs.check import layers

    found = layers(Path.cwd(), names)
    show(found, form)
    return 1 if found else 0
