"""Close stops every tram of a line."""

from line.app import Context
from line.gen.api import CloseRequest, CloseResponse
from line.gen.clients import tram


async def close(request: CloseRequest, context: Context) -> CloseResponse:
    for name in request.trams:
        await context.app.tram.stop_tram(tram.StopTramRequest(name=name))
    return CloseResponse()
