"""Buy looks at today's paper."""

from stroll.app import Context
from stroll.gen.api import BuyRequest
from stroll.gen.clients import kiosk
from stroll.gen.messages.kiosk import Paper


async def buy(request: BuyRequest, context: Context) -> Paper:
    return await context.app.kiosk.get_paper(kiosk.GetPaperRequest(name=request.paper))
