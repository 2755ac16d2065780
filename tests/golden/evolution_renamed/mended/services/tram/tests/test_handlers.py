from tram.app import build
from tram.gen.api import HaltTramRequest, Tram
from tram.gen.runtime import Call, Settings
from tram.handlers.halt_tram import halt_tram


def test_it_stops() -> None:
    context = Call(build(Settings.load("tram", dev=True, environ={"DATABASE_URL": "sqlite://"})))
    context.app.trams.add("trams/1", Tram(name="trams/1"))
    assert halt_tram(HaltTramRequest(name="trams/1"), context).tram.stands
