"""VisitPlace counts those who came."""

from atlas.app import Context
from atlas.gen.api import Place, VisitPlaceRequest
from atlas.gen.runtime import NotFound


def visit_place(request: VisitPlaceRequest, context: Context) -> Place:
    with context.app.places.edit(request.name) as held:
        if held.message is None:
            raise NotFound(request.name)
        held.message.visitors += 1
        held.message.remark = "full" if held.message.visitors > 100 else ""
        return held.message
