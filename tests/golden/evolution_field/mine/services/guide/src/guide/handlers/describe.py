"""Describe says what there is to know of a place."""

from guide.app import Context
from guide.gen.api import DescribeRequest, DescribeResponse
from guide.gen.clients import atlas


async def describe(request: DescribeRequest, context: Context) -> DescribeResponse:
    place: atlas.Place = await context.app.atlas.get_place(atlas.GetPlaceRequest(name=request.place))
    return DescribeResponse(text=f"{place.name}, {place.height} m: {place.remark}")
