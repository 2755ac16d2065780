"""`scaffold call`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("call")
@click.argument("name")
@click.argument("rpc")
@click.argument("request", nargs=-1, metavar="[JSON | KEY=VALUE...]")
@click.option("--address", default="", metavar="HOST:PORT", help="Where it is; without it, where `scaffold up` has it.")
@click.option("--metadata", "-H", multiple=True, metavar="KEY=VALUE", help="A header to send. Repeatable.")
@click.option("--timeout", default=10.0, show_default=True, metavar="SECONDS", help="The call's deadline.")
def command(
    name: str, rpc: str, request: tuple[str, ...], address: str, metadata: tuple[str, ...], timeout: float
) -> int:
    """Call an RPC of a component once.

    The request is JSON (`-`: from standard input) or words: a dot leads into a message (item.product=products/1), and a
    repeated field takes one element a word. The answer is JSON on standard output; status, time and trace id go to
    standard error. Exit code 1: the status is not OK. 2: nobody answers, or the request is not one.
    """
    from scaffold.shell import console
    from scaffold.verbs.run import call

    headers = []
    for header in metadata:
        key, found, value = header.partition("=")
        if not found:
            raise click.BadParameter(f"{header!r} is not KEY=VALUE", param_hint="--metadata")
        headers.append((key.lower(), value))
    words: str | tuple[str, ...] = request
    if len(request) == 1 and (request[0] == "-" or request[0].lstrip().startswith(("{", "["))):
        words = sys.stdin.read() if request[0] == "-" else request[0]
    result = call(
        Path.cwd(), name, rpc, words, address=address, metadata=headers, timeout=timeout, on_response=console.say
    )
    status = console.style(result.code, "green" if result.ok else "red", sys.stderr)
    said = f": {result.message}" if result.message else ""
    console.say(f"{status}{said}   {result.milliseconds:.1f} ms   trace {result.trace_id}", sys.stderr)
    for line in result.details:
        console.say(f"  {line}", sys.stderr)
    return 0 if result.ok else 1
