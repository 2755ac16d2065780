"""Start takes everybody along."""

from tour.app import Context
from tour.gen.api import StartRequest, StartResponse
from tour.gen.clients import ferry


async def start(request: StartRequest, context: Context) -> StartResponse:
    await context.app.ferry.board(ferry.EmbarkRequest(name=request.boat, passengers=["Ada", "Bo"]))
    return StartResponse()
