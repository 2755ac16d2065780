"""Who answers: modes, entities, and what happens when their source breaks. Run by tests/generated/test_layers.py."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab_acl.gen import port, wire
from lab_acl.gen.remote import AsyncRemote, Remote
from lab_acl.gen.runtime.acl.seam import FlagsError, Mode, OpenFeatureFlags, Router, SeamFile, parsed, read_toml
from lab_acl.gen.runtime.common.errors import Unavailable
from lab_acl.gen.seam import AsyncSeam, Seam
from lab_acl.gen.servicer import start

NAMES = [f"samples/{number}" for number in range(400)]


class Side:
    """An implementation that says who it is; writes are counted."""

    def __init__(self, name):
        self.name = name
        self.written = []

    def get_sample(self, request):
        return port.Sample(name=request.name, note=self.name)

    def update_sample(self, request):
        self.written.append(request.sample.name)
        return port.Sample(name=request.sample.name, note=self.name)

    def list_samples(self, request):
        return port.ListSamplesResponse(next_page_token=self.name)

    def measure_sample(self, request):
        self.written.append(request.sample)
        return port.MeasureSampleResponse(self.name)

    def watch(self, request):
        yield port.Sample(note=self.name)
        yield port.Sample(note=self.name)

    def upload(self, requests):
        self.written.append(len(list(requests)))
        return port.Empty()

    def chat(self, requests):
        for sample in requests:
            yield port.Sample(name=sample.name, note=self.name)

    def close_(self, request):
        return port.Sample(note=self.name)


@pytest.fixture
def service():
    side = Side("service")
    running = start(side)
    side.address = running.address
    yield side
    running.stop(0)


@pytest.fixture
def modes(tmp_path):
    file = tmp_path / "seam.toml"
    file.write_text('mode = "monolith"\n')
    return file


def seam_of(service, modes):
    """A seam that looks at its file at every call."""
    monolith = Side("monolith")
    return Seam(monolith, Remote(service.address), SeamFile(modes, wire.TABLE, seconds=0)), monolith


def percent(number):
    keyless = "".join(f'[methods.{n}]\nmode = "monolith"\n' for n in ("ListSamples", "Upload", "Chat"))
    return f'mode = "percent"\npercent = {number}\n{keyless}'


def who(seam, name):
    return seam.get_sample(port.GetSampleRequest(name)).note


def write(file, text):
    """As editors do it: another file in its place."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.replace(file)


def test_a_change_of_the_file_counts_at_once_and_so_does_the_way_back(service, modes):
    seam, _ = seam_of(service, modes)
    for text, expected in (
        ('mode = "monolith"', "monolith"),
        ('mode = "service"', "service"),
        ('mode = "monolith"', "monolith"),
        ('[methods.GetSample]\nmode = "service"\n', "service"),
    ):
        write(modes, text)
        assert who(seam, "samples/1") == expected
    assert seam.update_sample(port.UpdateSampleRequest(port.Sample(name="samples/1"))).note == "monolith"


def test_reads_and_writes_of_an_entity_are_answered_by_the_same_side_at_every_percentage(service, modes):
    seam, _ = seam_of(service, modes)
    before = set()
    for share in (0, 10, 50, 90, 100):
        write(modes, percent(share))
        there = {name for name in NAMES if who(seam, name) == "service"}
        for name in NAMES[:100]:
            expected = "service" if name in there else "monolith"
            assert seam.update_sample(port.UpdateSampleRequest(port.Sample(name=name))).note == expected
            assert seam.measure_sample(port.MeasureSampleRequest(name)).measurement == expected
            assert next(iter(seam.watch(port.GetSampleRequest(name)))).note == expected
        assert before <= there, "who has gone over comes back only when the share shrinks"
        assert abs(len(there) / 4 - share) < 12
        before = there
    write(modes, percent(50))
    half = {name for name in NAMES if who(seam, name) == "service"}
    assert half < before


def test_another_process_chooses_the_same_entities():
    flags = type("Half", (), {"mode": lambda self, rpc: Mode("percent", 50.0)})()
    router = Router(wire.TABLE, flags, reachable=lambda: True)
    chosen = [name for name in NAMES[:12] if router.to_service("GetSample", port.GetSampleRequest(name))]
    assert chosen == CHOSEN
    other = Router(wire.TABLE, flags, reachable=lambda: True, salt="another")
    assert [n for n in NAMES[:12] if other.to_service("GetSample", port.GetSampleRequest(n))] != CHOSEN


# Whoever changes the hash moves customers between two systems; that is what this list is for.
CHOSEN = ["samples/0", "samples/2", "samples/3", "samples/4", "samples/5", "samples/8", "samples/9"]


@pytest.mark.parametrize(
    "text",
    [
        "mode = ",
        'mode = "servcie"',
        'mode = "percent"',
        'mode = "percent"\npercent = 101',
        'mode = "service"\npercent = 10',
        'mode = "shadow_read"',
        'modus = "service"',
        '[methods.GetSampel]\nmode = "service"',
        '[methods.GetSample]\nmode = "service"\nkey = "name"',
        'methods = "all"',
        'mode = "percent"\npercent = 10',
        "\x00",
    ],
)
def test_a_file_that_breaks_while_running_keeps_the_last_modes(service, modes, text, caplog):
    seam, _ = seam_of(service, modes)
    write(modes, 'mode = "service"')
    assert who(seam, "samples/1") == "service"
    write(modes, text)
    for _ in range(3):
        assert who(seam, "samples/1") == "service"
    assert len([r for r in caplog.records if r.levelname == "ERROR"]) == 1, "said once"
    write(modes, 'mode = "monolith"')
    assert who(seam, "samples/1") == "monolith"


def test_a_file_that_goes_or_was_never_there(service, modes, tmp_path):
    seam, _ = seam_of(service, modes)
    write(modes, 'mode = "service"')
    assert who(seam, "samples/1") == "service"
    modes.unlink()
    assert who(seam, "samples/1") == "service"
    new, _ = seam_of(service, tmp_path / "nowhere.toml")
    assert who(new, "samples/1") == "monolith"
    write(tmp_path / "nowhere.toml", 'mode = "service"')
    assert who(new, "samples/1") == "service"


def test_the_first_callers_wait_for_the_file_together(service, modes, caplog):
    write(modes, 'mode = "service"')
    seam, _ = seam_of(service, modes)
    seam.router._flags._seconds = 60
    everybody = threading.Barrier(8)

    def ask(_):
        everybody.wait()
        return who(seam, "samples/1")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"service"}
    assert not caplog.records


def test_nobody_is_routed_to_a_service_that_nobody_has_named(modes):
    write(modes, 'mode = "service"')
    seam = Seam(Side("monolith"), Remote(""), modes)
    assert who(seam, "samples/1") == "monolith"


def test_a_write_that_fails_fails_and_is_not_made_elsewhere(modes):
    write(modes, 'mode = "service"')
    monolith = Side("monolith")
    seam = Seam(monolith, Remote("127.0.0.1:1", timeout=5), modes)
    with pytest.raises(Unavailable):
        seam.measure_sample(port.MeasureSampleRequest("samples/1"))
    assert monolith.written == []


def test_what_names_no_entity_is_the_monoliths(service, modes):
    seam, _ = seam_of(service, modes)
    write(modes, percent(100))
    assert who(seam, "") == "monolith"
    assert seam.router.entity("UpdateSample", port.UpdateSampleRequest(None)) == ""


def test_streams_go_to_one_side(service, modes):
    seam, monolith = seam_of(service, modes)
    write(modes, 'mode = "service"')
    assert [s.note for s in seam.watch(port.GetSampleRequest("samples/1"))] == ["service"] * 2
    assert [s.note for s in seam.chat(iter([port.Sample(name="a")]))] == ["service"]
    seam.upload(iter([port.Sample(), port.Sample()]))
    assert (service.written, monolith.written) == ([2], [])


def test_a_second_attempt_goes_where_the_first_one_went_for_sync_and_async_code(service, modes):
    """The first attempt fails at the service; the second comes when everybody is back with the monolith."""
    monolith, store, threads = Side("monolith"), {}, []
    flags = SeamFile(modes, wire.TABLE, seconds=0)
    again, new = port.MeasureSampleRequest("samples/1", "again"), port.MeasureSampleRequest("samples/1", "new")

    def pinned(pin, side):
        threads.append(threading.current_thread())
        return store.setdefault(pin, side)

    write(modes, 'mode = "service"')
    with pytest.raises(Unavailable):
        Seam(monolith, Remote("127.0.0.1:1", timeout=5), flags, pinned=pinned).measure_sample(again)
    write(modes, 'mode = "monolith"')
    seam = Seam(monolith, Remote(service.address), flags, pinned=pinned)
    assert seam.measure_sample(again).measurement == "service"
    assert seam.measure_sample(new).measurement == "monolith"
    with pytest.raises(Unavailable):
        Seam(monolith, Remote("", timeout=5), flags, pinned=pinned).measure_sample(again)

    async def calls():
        remote = AsyncRemote(service.address)
        both = AsyncSeam(monolith, remote, flags, pinned=pinned)
        found = [(await both.measure_sample(each)).measurement for each in (again, new)]
        await both.get_sample(port.GetSampleRequest("samples/1"))
        await remote.close()
        return found

    del threads[:]
    assert asyncio.run(calls()) == ["service", "monolith"]
    assert len(threads) == 2, "a read has no pin"
    assert threading.main_thread() not in threads, "the store blocks, and the event loop must not"
    assert store == {"lab.MeasureSample/again": "service", "lab.MeasureSample/new": "monolith"}


def test_async_code_has_the_same_seam(service, modes):
    monolith = Side("monolith")

    async def requests():
        yield port.Sample(name="a")
        yield port.Sample(name="b")

    async def calls():
        remote = AsyncRemote(service.address)
        seam = AsyncSeam(monolith, remote, SeamFile(modes, wire.TABLE, seconds=0))
        found = [
            (await seam.get_sample(port.GetSampleRequest("samples/1"))).note,
            [s.note async for s in seam.watch(port.GetSampleRequest("samples/1"))],
            [s.note async for s in seam.chat(requests())],
            await seam.upload(requests()),
        ]
        await remote.close()
        return found

    assert asyncio.run(calls()) == ["monolith", ["monolith"] * 2, ["monolith"] * 2, port.Empty()]
    write(modes, 'mode = "service"')
    assert asyncio.run(calls()) == ["service", ["service"] * 2, ["service"] * 2, port.Empty()]
    assert (monolith.written, service.written) == ([2], [2])


def test_under_load_nobody_alternates_and_nothing_is_lost(service, modes):
    """The share changes while many ask: each entity goes over once, and comes back once."""
    seam, monolith = seam_of(service, modes)
    seen = {name: [] for name in NAMES[:40]}
    stop, failures = threading.Event(), []

    def ask(names):
        try:
            while not stop.is_set():
                for name in names:
                    seen[name].append(seam.measure_sample(port.MeasureSampleRequest(name)).measurement)
        except Exception as error:  # the thread's own end is what the test is about
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(NAMES[i:40:4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for share in (10, 50, 100, 50, 10, 0):
        write(modes, percent(share))
        time.sleep(0.15)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert failures == []
    for name, answers in seen.items():
        changes = sum(one != other for one, other in zip(answers, answers[1:]))
        assert changes <= 2, (name, answers)
    made = sorted(name for answers in (monolith.written, service.written) for name in answers)
    assert made == sorted(name for name, answers in seen.items() for _ in answers), "each exactly once"


class Provider:
    """An OpenFeature client, as far as the seam knows one."""

    def __init__(self, **flags):
        self.flags = flags
        self.fails = False
        self.asked = 0

    def get_string_details(self, key, default):
        self.asked += 1
        if self.fails:
            raise RuntimeError("the provider is gone")
        if key not in self.flags:
            return Details(default, "FLAG_NOT_FOUND")
        return Details(self.flags[key], None)


class Details:
    def __init__(self, value, error_code):
        self.value, self.error_code = value, error_code


def test_flags_of_a_provider_and_the_last_mode_when_it_fails(service):
    provider = Provider(**{"lab": "monolith", "lab.GetSample": "service"})
    flags = OpenFeatureFlags(provider, wire.TABLE, seconds=0)
    seam = Seam(Side("monolith"), Remote(service.address), flags)
    assert who(seam, "samples/1") == "service"
    assert seam.close_(port.GetSampleRequest("samples/1")).note == "monolith"
    for broken in ({"fails": True}, {"flags": {}}, {"flags": {"lab.GetSample": "percent:abc"}}):
        vars(provider).update(broken)
        assert who(seam, "samples/1") == "service"
    provider.fails, provider.flags = False, {"lab": "percent:0"}
    assert who(seam, "samples/1") == "monolith"
    unknown = Seam(Side("monolith"), Remote(service.address), OpenFeatureFlags(Provider(), wire.TABLE))
    assert who(unknown, "samples/1") == "monolith"


def test_a_provider_is_not_asked_for_every_call(service):
    provider = Provider(lab="service")
    seam = Seam(Side("monolith"), Remote(service.address), OpenFeatureFlags(provider, wire.TABLE, seconds=60))
    for _ in range(10):
        who(seam, "samples/1")
    assert provider.asked == 2  # the method's own flag, and the one for all


def test_modes_in_text():
    assert parsed("percent:12.5") == Mode("percent", 12.5)
    assert str(parsed("percent:12.5")) == "percent:12.5"
    for text in ("percent", "percent:101", "percent:-1", "", None, "dual_write", 7):
        with pytest.raises(FlagsError):
            parsed(text)


def test_the_file_that_is_generated_can_be_read():
    import lab_acl

    text = Path(lab_acl.__file__).with_name("seam.toml").read_text()
    assert {str(mode) for mode in read_toml(text, wire.TABLE).values()} == {"monolith"}
