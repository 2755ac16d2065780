"""The command line: which commands there are, and what every one of them does about errors."""

from __future__ import annotations

import importlib
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from scaffold import __version__
from scaffold.core.diagnostics import ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Group → command → what it does. A command's module is imported only when it is called.
COMMANDS = {
    "Start": {
        "demo": "a shop in an empty folder: start it, place an order, show the trace",
        "init": "make a workspace",
        "new": "add a store or a process; without --proto, a commented starter proto too",
    },
    "Change": {
        "plan": "what regen would change",
        "regen": "do it",
        "burn": "start a prototype again from its protos; your code goes to the attic",
        "restore": "bring a file back from the attic; without a name, list them",
    },
    "Run": {
        "up": "start every service on loopback, traced",
        "call": "call an RPC: scaffold call cart GetCart name=carts/1",
        "trace": "the last trace as a tree, or one by its id",
    },
    "Judge": {
        "check": "all that CI asks: drift, boundaries, types",
        "test": "contract tests: in process, or --against HOST:PORT",
    },
    "Move": {
        "acl": "beside a monolith: introspect it, smell what was copied from it",
    },
    "Keep": {
        "remove": "take a component out of the workspace; your files go to the attic",
    },
}

_EPILOG = "exit codes: 0 fine, 1 found something, 2 bad input and nothing written"


class _Commands(click.Group):
    """Lists commands in groups, and loads the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for group in COMMANDS.values() for name in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"scaffold.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not close:
                raise
            raise click.UsageError(f'{error.message} Did you mean "{close[0]}"?', ctx) from None

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write("scaffold: protobuf definitions in, running services out; and again after every change.\n")
        for group, commands in COMMANDS.items():
            formatter.write(f"\n{group}\n")
            for name, text in commands.items():
                formatter.write(f"  {name:<9} {text}\n")
        formatter.write(f"\n`scaffold COMMAND --help` says more.\n{_EPILOG}\n")


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def scaffold() -> None:
    """Protobuf definitions in, running services out; and again after every change."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 fine, 1 found something, 2 bad input and nothing written, 70 an error of ours."""
    try:
        code = scaffold.main(arguments, prog_name="scaffold", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except ScaffoldError as error:
        from scaffold.shell import console

        console.show_diagnostics(error.diagnostics)
        sys.exit(2)
    except Exception:
        traceback.print_exc()
        print(
            f"\nscaffold {__version__} has failed; this is a defect of scaffold, not of yours. Please report it with the "
            "lines above and what you ran.",
            file=sys.stderr,
        )
        sys.exit(70)
