"""StopTram brings a tram to a stand."""

from tram.app import Context
from tram.gen.api import StopTramRequest, StopTramResponse
from tram.gen.runtime import NotFound


def stop_tram(request: StopTramRequest, context: Context) -> StopTramResponse:
    with context.app.trams.edit(request.name) as held:
        if held.message is None:
            raise NotFound(request.name)
        held.message.stands = True
        return StopTramResponse(tram=held.message)
