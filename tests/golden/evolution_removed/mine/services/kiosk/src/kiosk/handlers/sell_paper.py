"""SellPaper hands one out."""

from kiosk.app import Context
from kiosk.gen.api import Paper, SellPaperRequest
from kiosk.gen.runtime import FailedPrecondition


def sell_paper(request: SellPaperRequest, context: Context) -> Paper:
    with context.app.papers.edit(request.name) as held:
        if held.message is None or not held.message.pieces:
            raise FailedPrecondition("sold out", reason="SOLD_OUT")
        held.message.pieces -= 1
        return held.message
