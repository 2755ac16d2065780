"""Who answers: modes, entities, and what happens when their source breaks. Run by tests/generated/test_layers.py."""

import asyncio
import gc
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

# gRPC's own work after a fork is none of what is tested here, and in 1.60 now and then never ends.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from lab_acl.gen import port, wire
from lab_acl.gen.remote import AsyncRemote, Remote
from lab_acl.gen.runtime.acl import forks
from lab_acl.gen.runtime.acl import seam as seam_runtime
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


class Threads(Side):
    """Its answers and its items are the threads that make them; so are the marks that are left around a call."""

    def __init__(self):
        super().__init__("monolith")
        self.marks = []
        self.ended = None

    @contextmanager
    def around(self):
        self.marks.append(("in", threading.get_ident()))
        try:
            yield
        finally:
            self.marks.append(("out", threading.get_ident()))

    def get_sample(self, request):
        if request.name == "samples/broken":
            raise KeyError("broken")
        return port.Sample(note=str(threading.get_ident()))

    def watch(self, request):
        try:
            for _ in range(20):
                yield self.get_sample(request)
        finally:
            self.ended = threading.get_ident()


def async_seam(side, modes, **options):
    return AsyncSeam(side, AsyncRemote(""), SeamFile(modes, wire.TABLE, seconds=0), **options)


def test_what_is_around_a_call_is_on_its_thread_and_sees_its_end(modes):
    side = Threads()

    async def calls():
        seam = async_seam(side, modes, around=side.around)
        requests = [port.GetSampleRequest(name) for name in ("samples/1", "samples/broken", "samples/2")]
        return await asyncio.gather(*(seam.get_sample(each) for each in requests), return_exceptions=True)

    one, error, other = asyncio.run(calls())
    assert isinstance(error, KeyError)
    assert {int(one.note), int(other.note)} <= {thread for _, thread in side.marks}
    assert threading.get_ident() not in {thread for _, thread in side.marks}
    for thread in {thread for _, thread in side.marks}:
        own = [mark for mark, where in side.marks if where == thread]
        assert own == ["in", "out"] * (len(own) // 2)
    assert len(side.marks) == 6


@pytest.mark.parametrize("read", [20, 3, 0], ids=["to its end", "in part", "not at all"])
def test_a_stream_is_on_one_thread_from_beginning_to_end(modes, read):
    """A cursor of SQLite's is of no use on another one, and what is open is closed where it was opened."""
    side = Threads()

    async def watched():
        seam = async_seam(side, modes, around=side.around)
        answers, found = seam.watch(port.GetSampleRequest("samples/1")), []
        others = asyncio.gather(*(seam.get_sample(port.GetSampleRequest("samples/2")) for _ in range(4)))
        while len(found) < read:
            found.append((await answers.__anext__()).note)
        await answers.aclose()
        await others
        return found

    threads = set(asyncio.run(watched()))
    assert len(threads) == (1 if read else 0)
    assert {str(side.ended)} == threads or not read
    assert [mark for mark, thread in side.marks if str(thread) in threads] == ["in", "out"] * len(threads)


def test_the_way_to_call_what_blocks_can_be_chosen(modes):
    side, ran = Threads(), []

    async def run(function, *arguments):
        ran.append(threading.get_ident())
        return function(*arguments)

    async def calls():
        seam = async_seam(side, modes, run=run, around=side.around)
        found = [(await seam.get_sample(port.GetSampleRequest("samples/1"))).note]
        return found + [s.note async for s in seam.watch(port.GetSampleRequest("samples/1"))]

    assert set(asyncio.run(calls())) == {str(threading.get_ident())}
    assert ran and [mark for mark, _ in side.marks] == ["in", "out"] * 2


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
    """An OpenFeature client, as far as the seam knows one: it may fail, say anything, or not answer."""

    def __init__(self, **flags):
        self.flags = flags
        self.fails = False
        self.open = threading.Event()
        self.open.set()
        self.asked = []
        self.waiting = threading.Semaphore(0)

    def get_string_details(self, key, default):
        self.asked.append((key, threading.current_thread()))
        if not self.open.is_set():
            self.waiting.release()
            self.open.wait(60)
        if self.fails:
            raise RuntimeError(f"the provider is gone, for the {len(self.asked)}th time")
        if key not in self.flags:
            return Details(default, "FLAG_NOT_FOUND")
        return Details(self.flags[key], None)

    @property
    def rounds(self):
        return sum(key == "lab.GetSample" for key, _ in self.asked)


class Details:
    def __init__(self, value, error_code):
        self.value, self.error_code = value, error_code


class Unsayable:
    def __str__(self):
        raise ValueError("no text")


def flagged(service, provider, **options):
    """A seam on a provider's flags, which are asked for when the test says so: once by the first call, then by refresh."""
    flags = OpenFeatureFlags(provider, wire.TABLE, seconds=3600, **options)
    return Seam(Side("monolith"), Remote(service.address), flags), flags


def errors_in(caplog):
    return [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]


def test_flags_of_a_provider_and_the_last_mode_when_it_fails(service, caplog):
    provider = Provider(**{"lab": "monolith", "lab.GetSample": "service"})
    seam, flags = flagged(service, provider)
    assert who(seam, "samples/1") == "service"
    assert seam.close_(port.GetSampleRequest("samples/1")).note == "monolith"
    for broken in (
        {"fails": True},
        {"fails": False, "flags": {}},
        *({"flags": {"lab.GetSample": text}} for text in ("percent:abc", "", None, 7, b"service", Unsayable())),
    ):
        vars(provider).update(broken)
        flags.refresh()
        assert who(seam, "samples/1") == "service"
    assert len(errors_in(caplog)) == 1, "said once for the outage"
    assert "GetSample" in errors_in(caplog)[0] and "the last modes hold" in errors_in(caplog)[0]
    provider.flags = {"lab": "percent:0", **{f"lab.{name}": "monolith" for name in ("ListSamples", "Upload", "Chat")}}
    flags.refresh()
    assert who(seam, "samples/1") == "monolith"
    assert [r.levelname for r in caplog.records][-1] == "WARNING", "and so is that it is over"
    provider.fails = True
    flags.refresh()
    assert len(errors_in(caplog)) == 2, "the next outage is another one"


def test_flags_that_nobody_has_set_are_the_monoliths(service, caplog):
    unknown, _ = flagged(service, Provider())
    for _ in range(3):
        assert who(unknown, "samples/1") == "monolith"
    assert len(errors_in(caplog)) == 2, "what fails, and which mode holds"
    assert 'knows neither "lab' in errors_in(caplog)[0]


@pytest.mark.parametrize("trouble", [{}, {"fails": True}, {"flags": {"lab": "garbage"}}, {"flags": {}}], ids=str)
def test_a_provider_is_asked_by_a_thread_of_its_own_and_not_for_every_call(service, trouble):
    provider = Provider(lab="service")
    vars(provider).update(trouble)
    seam, _ = flagged(service, provider)
    for number in range(50):
        assert who(seam, f"samples/{number}") == ("monolith" if trouble else "service")
    assert provider.rounds == 1
    (thread,) = {thread for _, thread in provider.asked}
    assert thread is not threading.current_thread()
    assert thread.daemon, "it keeps no program from ending"


def test_a_provider_that_hangs_holds_nobody_up(service):
    provider = Provider(lab="service")
    seam, flags = flagged(service, provider, patience=60)
    flags._seconds = 0.05
    assert who(seam, "samples/1") == "service", "the first call waits for the first answer"
    provider.open.clear()
    assert provider.waiting.acquire(timeout=60), "asked again, and now it hangs"
    provider.flags["lab"] = "monolith"
    asked = len(provider.asked)
    for number in range(50):
        assert who(seam, f"samples/{number}") == "service"
    assert len(provider.asked) == asked
    provider.open.set()
    until(lambda: who(seam, "samples/1") == "monolith")


def test_a_provider_that_hangs_from_the_start_is_waited_for_once(service, caplog):
    provider = Provider(lab="service")
    provider.open.clear()
    seam, _ = flagged(service, provider, patience=0.2)
    waits = []
    wait = seam.router._flags._answered.wait
    seam.router._flags._answered.wait = lambda seconds: waits.append(seconds) or wait(seconds)
    try:
        for number in range(50):
            assert who(seam, f"samples/{number}") == "monolith"
        assert len(provider.asked) == 1
        assert 0 < waits[0] <= 0.2
        assert sum(waits) <= 0.2 * 2 and waits[-1] == 0, "all of them together wait as long as one"
        assert len(errors_in(caplog)) == 1
    finally:
        provider.open.set()
    until(lambda: who(seam, "samples/1") == "service")


def test_a_thread_that_hangs_for_long_is_replaced_and_its_answer_forgotten(service, caplog, monkeypatch):
    monkeypatch.setattr(seam_runtime, "_HANGS_SECONDS", 0.2)
    hangs = Provider(lab="service")
    seam, flags = flagged(service, hangs, patience=60)
    flags._seconds = 0.05
    assert who(seam, "samples/1") == "service"
    hangs.open.clear()
    assert hangs.waiting.acquire(timeout=60)
    flags._client = Provider(lab="monolith")  # as one whose connection is a new one
    until(lambda: who(seam, "samples/1") == "monolith")
    hangs.open.set()
    (stuck,) = {thread for _, thread in hangs.asked}
    stuck.join(60)
    assert who(seam, "samples/1") == "monolith", "what comes late is not what is"
    assert [text for text in errors_in(caplog) if "does not answer" in text] == errors_in(caplog) != []


def test_a_provider_that_fails_is_asked_less_and_less_often():
    provider = Provider(lab="service")
    flags = OpenFeatureFlags(provider, wire.TABLE, seconds=1)
    flags._asker = threading.current_thread()
    provider.fails = True
    pauses = [flags.turn() for _ in range(8)]
    assert pauses == sorted(pauses) and pauses[0] > 1 and pauses[-1] == pauses[-2] == 30
    provider.fails = False
    assert flags.turn() == 1
    flags._asker = threading.Thread()
    assert flags.turn() is None, "another one asks"


def test_nobody_asks_for_flags_that_nobody_has_any_more():
    provider = Provider(lab="service")
    flags = OpenFeatureFlags(provider, wire.TABLE, seconds=0)
    flags.mode(wire.TABLE["GetSample"])
    thread = flags._asker
    del flags
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


class Fickle:
    """Flags of somebody's own, with another excuse each time."""

    def __init__(self):
        self.calls = 0

    def mode(self, rpc):
        self.calls += 1
        raise RuntimeError(f"attempt {self.calls}")


def test_flags_of_ones_own_are_complained_about_once(service, caplog):
    seam = Seam(Side("monolith"), Remote(service.address), Fickle())
    assert [who(seam, "samples/1") for _ in range(5)] == ["monolith"] * 5
    assert len(errors_in(caplog)) == 1


def until(holds):
    """Wait for something that another thread does."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def in_child(function):
    """Run a function in a process that is forked now; its exit code, and -9 where it hangs."""
    child = os.fork()
    if not child:
        code = 70
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(30)  # what hangs ends, and not by an exit of its own
            code = 0 if function() else 1
        finally:
            os._exit(code)
    return child


def code_of(child):
    return os.waitpid(child, 0)[1]


class Held:
    """A file that somebody is reading, for as long as it takes."""

    def __init__(self, path):
        self.path, self.reading, self.go_on = path, threading.Event(), threading.Event()

    def stat(self):
        return self.path.stat()

    def read_text(self, encoding):
        text = self.path.read_text(encoding=encoding)
        self.reading.set()
        self.go_on.wait(60)
        return text


@needs_fork
@pytest.mark.parametrize("known", [False, True], ids=["nothing is known yet", "a change is being read"])
def test_a_fork_while_another_thread_reads_the_file(modes, known):
    """The child has the lock, and nobody who gives it back; nor is what was half read taken for seen."""
    file = SeamFile(modes, wire.TABLE, seconds=0)
    get = wire.TABLE["GetSample"]
    if known:
        assert file.mode(get).name == "monolith"
    write(modes, 'mode = "service"')
    file.path = held = Held(modes)
    reader = threading.Thread(target=file.mode, args=(get,))
    reader.start()
    assert held.reading.wait(60)

    def ask():
        file.path = modes
        return file.mode(get).name == "service"

    try:
        child = in_child(ask)
        assert code_of(child) == 0
    finally:
        held.go_on.set()
        reader.join(60)
    assert file.mode(get).name == "service"


@needs_fork
def test_a_forked_seam_sees_changes_as_its_parent_does(modes):
    """The parent has routed before; child and parent then follow the same file."""
    seam = Seam(Side("monolith"), Side("remote"), SeamFile(modes, wire.TABLE, seconds=0))
    seam._remote.reachable = True
    assert who(seam, "samples/1") == "monolith"
    told, tell = os.pipe()
    seen, see = os.pipe()

    def follow():
        found = []
        for _ in range(3):
            os.read(told, 1)
            found.append(who(seam, "samples/1"))
            os.write(see, b".")
        return found == ["remote", "monolith", "remote"]

    child = in_child(follow)
    os.close(see)
    for mode in ("service", "monolith", "service"):
        write(modes, f'mode = "{mode}"')
        assert who(seam, "samples/1") == ("remote" if mode == "service" else "monolith")
        os.write(tell, b".")
        os.read(seen, 1)
    assert code_of(child) == 0


@needs_fork
def test_a_child_asks_the_provider_itself():
    """The thread that asks is not there in the child, whatever it was at when it was forked."""
    provider = Provider(lab="monolith")
    flags = OpenFeatureFlags(provider, wire.TABLE, seconds=0, patience=60)
    get = wire.TABLE["GetSample"]
    assert flags.mode(get).name == "monolith"
    provider.open.clear()
    assert provider.waiting.acquire(timeout=60)

    def ask():
        flags._client = Provider(lab="service")
        return flags.mode(get).name == "service"

    try:
        assert code_of(in_child(ask)) == 0
        assert flags.mode(get).name == "monolith", "and the parent has what it had"
    finally:
        provider.open.set()


@needs_fork
def test_a_fork_that_python_does_not_know_of_is_noticed(modes, monkeypatch):
    """Not uWSGI itself: its worker is one more process, which Python has not been told of."""
    file, get = SeamFile(modes, wire.TABLE, seconds=0), wire.TABLE["GetSample"]
    assert file.mode(get).name == "monolith"
    file._lock.acquire()
    write(modes, 'mode = "service"')
    assert file.mode(get).name == "monolith", "somebody else is at it"
    monkeypatch.setattr(forks, "_process", -1)
    assert file.mode(get).name == "service"


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
