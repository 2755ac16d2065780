"""HaltTram brings a tram to a stand."""

from tram.app import Context
from tram.gen.api import HaltTramRequest, HaltTramResponse
from tram.gen.runtime import NotFound


def halt_tram(request: HaltTramRequest, context: Context) -> HaltTramResponse:
    with context.app.trams.edit(request.name) as held:
        if held.message is None:
            raise NotFound(request.name)
        held.message.stands = True
        return HaltTramResponse(tram=held.message)
