"""Board lets people on a boat."""

from ferry.app import Context
from ferry.gen.api import Boat, EmbarkRequest
from ferry.gen.runtime import NotFound


def board(request: EmbarkRequest, context: Context) -> Boat:
    with context.app.boats.edit(request.name) as held:
        if held.message is None:
            raise NotFound(request.name)
        held.message.people += len(request.passengers)
        return held.message
