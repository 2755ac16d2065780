"""WaterPlant pours water on a plant, and not too much of it."""

from garden.app import Context
from garden.gen.api import Plant, WaterPlantRequest
from garden.gen.runtime import InvalidArgument, NotFound


def water_plant(request: WaterPlantRequest, context: Context) -> Plant:
    if request.liters > 3:
        raise InvalidArgument("it would drown", field="liters")
    with context.app.plants.edit(request.name) as held:
        if held.message is None:
            raise NotFound(request.name)
        held.message.liters += request.liters
        return held.message
