"""`scaffold demo`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaffold.cli.test import summary

if TYPE_CHECKING:
    from scaffold.verbs.demo import Shown
    from scaffold.verbs.test import Planted


@click.command("demo")
@click.argument("folder", default="demo", type=click.Path(path_type=Path), metavar="[DIR]")
def command(folder: Path) -> int:
    """Make a shop in DIR (an empty folder), start it, place an order, show its trace, and test its contracts.

    Then plant faults in a copy of one service, and see that its tests notice.

    The workspace stays, for you to play with. A folder with an earlier demo is used again. Needs the extras `run` and
    `test`.
    """
    from scaffold.shell import console
    from scaffold.verbs.demo import demo

    shown = demo(folder, lambda text: console.say(console.style(f"· {text}", "dim", sys.stdout)), _progress)
    _show(folder, shown)
    asleep = any(not planted.caught_by for planted in shown.planted)
    return shown.tested.exit_code or int(asleep)


def _progress(checks: int) -> None:
    """Count on one line of a terminal; elsewhere nothing."""
    if sys.stdout.isatty():
        print(f"\r  {checks} checks", end="\r", flush=True)


def _awake(planted: tuple[Planted, ...]) -> str:
    """``and awake: 3 faults planted in catalog (…), 3 caught``, or which were not."""
    names = ", ".join(one.fault for one in planted)
    missed = ", ".join(one.fault for one in planted if not one.caught_by)
    caught = sum(bool(one.caught_by) for one in planted)
    head = "and awake: " if not missed else "but asleep: "
    return f"{head}{len(planted)} faults planted in catalog ({names}), {caught} caught" + (
        f"; not {missed}" * bool(missed)
    )


def _show(folder: Path, shown: Shown) -> None:
    from scaffold.run.trace import render
    from scaffold.shell import console

    width = shutil.get_terminal_size((100, 24)).columns
    console.say()
    console.say(f"order placed: {shown.order}  {shown.items} items  {shown.total}     (checkout.PlaceOrder, over gRPC)")
    console.say()
    console.say(render(shown.trace, width, console.colourful(sys.stdout)))
    console.say(f"{shown.waiting:.0%} of this order was spent waiting for the payment vendor (a stand-in here).")
    console.say()
    if shown.tested.exit_code:
        console.say(shown.tested.output)
    for number, line in enumerate(summary(shown.tested.tallies)):
        console.say(f"{'contracts' if number == 0 else '':<12}{line}")
    console.say(f"{'':<12}in {shown.tested.seconds:.1f} s")
    if shown.planted:
        console.say(f"{'':<12}{_awake(shown.planted)}")
    if shown.generated:
        made = shown.generated
        console.say(
            f"{'generated':<12}{made.services} services, {made.files} files, {made.seconds:.1f} s; {made.yours} of them are yours"
        )
    console.say()
    console.say(f"The workspace is {folder}. Try next:")
    console.say(f"  cd {folder} && scaffold up".ljust(64) + "start it again")
    console.say("  scaffold call cart GetCart name=carts/1".ljust(64) + "feel the API")
    console.say("  $EDITOR protos/shop/cart/v1/cart.proto; scaffold plan".ljust(64) + "change it, and see what follows")
    console.say("  $EDITOR services/checkout/src/checkout/handlers/place_order.py")
