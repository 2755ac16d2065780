from tram.app import build
from tram.gen.api import StopTramRequest, Tram
from tram.gen.runtime import Call, Settings
from tram.handlers.stop_tram import stop_tram


def test_it_stops() -> None:
    context = Call(build(Settings.load("tram", dev=True, environ={"DATABASE_URL": "sqlite://"})))
    context.app.trams.add("trams/1", Tram(name="trams/1"))
    assert stop_tram(StopTramRequest(name="trams/1"), context).tram.stands
