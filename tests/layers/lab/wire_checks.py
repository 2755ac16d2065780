"""What a generated layer does over gRPC, in both directions. Run by tests/generated/test_layers.py, also by Python 3.9."""

import asyncio
import datetime
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

# Python 3.9 starts programs by fork(2), and in a process that serves gRPC 1.60 then does, now and then, never come back.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import grpc
import pytest

from lab_acl.gen import port, wire
from lab_acl.gen.remote import AsyncRemote, Remote
from lab_acl.gen.runtime.acl.calls import current, idempotency_key
from lab_acl.gen.runtime.acl.codec import UnsayableError
from lab_acl.gen.runtime.acl.errors import ErrorMap, ErrorMapError, Pair
from lab_acl.gen.runtime.acl.serving import surroundings
from lab_acl.gen.runtime.common import errors
from lab_acl.gen.runtime.common.messages import MalformedMessageError
from lab_acl.gen.servicer import start

UTC = datetime.timezone.utc
PART = port.SamplePart("p", (port.SamplePartColour.GREEN, port.SamplePartColour.RED), port.Sample(name="inner"))
FULL = port.Sample(
    name="samples/1",
    small=-(2**31),
    big=2**64 - 1,
    weight=1e300,
    done=True,
    blob=b"\x00\xff",
    state=port.State.mro_,
    note="",
    count=0,
    made=datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    took=datetime.timedelta(microseconds=-1),
    maybe="",
    mask=("a.b", "c"),
    price=port.Money("EUR", 9, 900_000_000),
    parts=(PART, port.SamplePart()),
    by_label={"p": PART, "": port.SamplePart()},
    states={-1: port.State.SHIPPED},
    taken_from=port.SamplePart(),
    times=(datetime.datetime(9999, 12, 31, tzinfo=UTC),),
    from_="here",
    extra=port.Struct({"a": port.Value(number_value=1.5), "b": port.Value(null_value=port.NullValue.NULL_VALUE)}),
    ratios=(0.5,),
)


class LabError(Exception):
    pass


class Broken(LabError):
    pass


class TooHot(LabError):
    pass


ERRORS = ErrorMap(
    Pair(Broken, errors.FailedPrecondition, "BROKEN", message=str),
    Pair(TooHot, errors.Unavailable, "TOO_HOT", back=lambda e: TooHot("from elsewhere")),
    families=[LabError],
)


class Lab:
    """An implementation that remembers what it was asked."""

    def __init__(self):
        self.seen = []
        self.raises = None
        self.release = threading.Event()

    def get_sample(self, request):
        call = current()
        self.seen.append((request, call.header("x-tenant"), call.time_remaining()))
        if self.raises:
            raise self.raises
        return port.Sample(name=request.name, note="of the lab")

    def update_sample(self, request):
        return request.sample

    def list_samples(self, request):
        return "no message"

    def measure_sample(self, request):
        self.seen.append((request.request_id, current().header("idempotency-key")))
        return port.MeasureSampleResponse(request.request_id)

    def watch(self, request):
        for number in range(3):
            yield port.Sample(name=request.name, small=number)
        if request.name == "samples/broken":
            raise Broken("half way")
        if request.name == "samples/long":
            self.release.wait(20)

    def upload(self, requests):
        self.seen.append([sample.name for sample in requests])
        return port.Empty()

    def chat(self, requests):
        for sample in requests:
            yield port.Sample(name=sample.name + "!")

    # close_ is not there: an RPC that is newer than the code.


@contextmanager
def served(**options):
    lab = Lab()
    running = start(lab, errors=ERRORS, **options)
    remote = Remote(running.address, errors=ERRORS, metadata=lambda: [("x-tenant", "acme")], timeout=10)
    try:
        yield lab, remote, running
    finally:
        lab.release.set()
        remote.close()
        running.stop(0)


def test_whatever_a_field_can_be_goes_over_the_wire():
    assert wire.CODEC.decode(wire.CODEC.encode(FULL, "lab.v1.Sample"), port.Sample) == FULL
    assert wire.CODEC.decode(b"", port.Sample) == port.Sample()
    with served() as (_, remote, _running):
        assert remote.update_sample(port.UpdateSampleRequest(FULL, ("name",))) == FULL


@pytest.mark.parametrize(
    "sample",
    [
        port.Sample(small=2**31),
        port.Sample(small=1.0),
        port.Sample(small=True),
        port.Sample(small=None),
        port.Sample(weight="1"),
        port.Sample(done=1),
        port.Sample(name=b"x"),
        port.Sample(name="\ud800"),
        port.Sample(state=2),
        port.Sample(state="PENDING"),
        port.Sample(made=datetime.datetime(2020, 1, 1)),
        port.Sample(made=datetime.date(2020, 1, 1)),
        port.Sample(took=3),
        port.Sample(mask="a"),
        port.Sample(village="x", taken_from=port.SamplePart()),
        port.Sample(parts=(port.Sample(),)),
        port.Sample(price=port.SamplePart()),
        port.Sample(count="3"),
        port.Sample(states={1: None}),
    ],
    ids=str,
)
def test_what_cannot_be_said_is_refused_and_never_rounded(sample):
    with pytest.raises(UnsayableError, match="Sample"):
        wire.CODEC.encode(sample, "lab.v1.Sample")


def test_no_decimal_slips_through_as_a_float():
    from decimal import Decimal

    with pytest.raises(UnsayableError, match="weight"):
        wire.CODEC.encode(port.Sample(weight=Decimal("0.1")), "lab.v1.Sample")


def test_an_enum_value_that_is_newer_than_the_layer_is_no_other_one():
    with pytest.raises(MalformedMessageError, match="99 is no value of lab.v1.State"):
        wire.CODEC.decode(b"\x38\x63", port.Sample)
    with pytest.raises(MalformedMessageError):
        wire.CODEC.decode(b"\xff", port.Sample)


def test_streams_of_all_kinds():
    with served() as (lab, remote, _running):
        assert [s.small for s in remote.watch(port.GetSampleRequest("samples/1"))] == [0, 1, 2]
        assert remote.upload(port.Sample(name=str(i)) for i in range(3)) == port.Empty()
        assert lab.seen == [["0", "1", "2"]]
        assert [s.name for s in remote.chat([port.Sample(name="a"), port.Sample(name="b")])] == ["a!", "b!"]
        with pytest.raises(Broken, match="half way"):
            list(remote.watch(port.GetSampleRequest("samples/broken")))


def test_errors_are_the_monoliths_own_whoever_answers():
    with served() as (lab, remote, running):
        lab.raises = Broken("the door does not close")
        with pytest.raises(Broken, match="the door does not close"):
            remote.get_sample(port.GetSampleRequest("samples/1"))
        lab.raises = TooHot("what nobody needs to know")
        with pytest.raises(TooHot, match="from elsewhere"):
            remote.get_sample(port.GetSampleRequest("samples/1"))
        plain = Remote(running.address)
        with pytest.raises(errors.Unavailable) as caught:
            plain.get_sample(port.GetSampleRequest("samples/1"))
        assert (caught.value.reason, caught.value.message) == ("TOO_HOT", "too hot")
        lab.raises = errors.NotFound("samples/1")
        with pytest.raises(errors.NotFound) as caught:
            plain.get_sample(port.GetSampleRequest("samples/1"))
        assert caught.value.component == "lab"
        lab.raises = ValueError("a secret")
        with pytest.raises(errors.Internal) as caught:
            plain.get_sample(port.GetSampleRequest("samples/1"))
        assert "secret" not in str(caught.value)
        plain.close()


def test_an_answer_that_cannot_be_said_and_a_method_that_is_missing():
    with served() as (_, remote, _running):
        with pytest.raises(errors.Internal) as caught:
            remote.list_samples(port.ListSamplesRequest())
        assert caught.value.reason == "UNTRANSLATABLE"
        with pytest.raises(errors.Unimplemented) as caught:
            remote.close_(port.GetSampleRequest("samples/1"))
        assert caught.value.reason == "HANDLER_PENDING"


def test_a_request_that_cannot_be_said_is_not_sent():
    with served() as (lab, remote, _running):
        with pytest.raises(errors.InvalidArgument):
            remote.get_sample(port.GetSampleRequest(7))
        assert lab.seen == []


def test_writes_carry_a_key_and_reads_do_not():
    with served() as (lab, remote, _running):
        remote.measure_sample(port.MeasureSampleRequest("samples/1"))
        ((filled, header),) = lab.seen
        assert filled == header != ""
        lab.seen.clear()
        remote.measure_sample(port.MeasureSampleRequest("samples/1", "mine"))
        with idempotency_key("order-7"):
            remote.measure_sample(port.MeasureSampleRequest("samples/1"))
            remote.measure_sample(port.MeasureSampleRequest("samples/1"))
        assert lab.seen == [("mine", "mine"), ("order-7", "order-7"), ("order-7", "order-7")]


@pytest.mark.parametrize("key", ["日本語", " a ", "a\nb", "\x00", "50 %", "x" * 20_000], ids=ascii)
def test_a_key_may_be_any_text_that_the_api_allows(key):
    """Headers are ASCII and short; the service decides what it takes for a key, not the way there."""
    with served() as (lab, remote, _running):
        assert remote.measure_sample(port.MeasureSampleRequest("samples/1", key)).measurement == key
        ((request_id, header),) = lab.seen
        assert request_id == key and header.isprintable() and header.isascii()


def test_headers_and_what_is_left_of_the_time_arrive():
    with served() as (lab, remote, _running):
        remote.get_sample(port.GetSampleRequest("samples/1"))
        ((_, tenant, left),) = lab.seen
        assert tenant == "acme"
        assert 0 < left < 20  # gRPC rounds up


def test_the_hook_is_around_each_rpc_and_sees_its_end():
    events = []

    @contextmanager
    def hook(call):
        events.append(("in", call.method, call.header("x-tenant")))
        try:
            yield
        except LabError as error:
            events.append(("error", type(error).__name__))
            raise
        finally:
            events.append(("out",))

    with served(hook=hook) as (lab, remote, _running):
        remote.get_sample(port.GetSampleRequest("samples/1"))
        lab.raises = Broken("x")
        with pytest.raises(Broken):
            remote.get_sample(port.GetSampleRequest("samples/1"))
        list(remote.watch(port.GetSampleRequest("samples/1")))
    once = ("in", "lab.v1.LabService/GetSample", "acme")
    assert events[:2] == [once, ("out",)]
    assert events[2:5] == [once, ("error", "Broken"), ("out",)]
    assert events[5:] == [("in", "lab.v1.LabService/Watch", "acme"), ("out",)]


def test_a_stream_that_nobody_reads_on_ends():
    with served() as (lab, remote, _running):
        answers = remote.watch(port.GetSampleRequest("samples/long"))
        next(answers)
        answers.close()
        lab.release.set()


def test_nobody_there_is_unavailable_and_soon():
    remote = Remote("127.0.0.1:1", timeout=5)
    began = time.monotonic()
    with pytest.raises(errors.Unavailable):
        remote.measure_sample(port.MeasureSampleRequest("samples/1"))
    assert time.monotonic() - began < 10
    remote.close()


def test_health():
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with served() as (_, _remote, running), grpc.insecure_channel(running.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "lab.v1.LabService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_taken_port_is_said():
    with served() as (_, _remote, running), pytest.raises(OSError, match="cannot listen"):
        start(Lab(), port_number=running.port)


def test_async_code_and_one_channel_for_each_loop():
    async def requests():
        for name in ("a", "b"):
            yield port.Sample(name=name)

    with served() as (lab, _remote, running):
        remote = AsyncRemote(running.address, errors=ERRORS)

        async def calls():
            found = await remote.get_sample(port.GetSampleRequest("samples/1"))
            watched = [s.small async for s in remote.watch(port.GetSampleRequest("samples/1"))]
            chatted = [s.name async for s in remote.chat(requests())]
            done = await remote.upload(requests())
            lab.raises = Broken("x")
            with pytest.raises(Broken):
                await remote.get_sample(port.GetSampleRequest("samples/1"))
            lab.raises = None
            await remote.close()
            return found.note, watched, chatted, done

        expected = ("of the lab", [0, 1, 2], ["a!", "b!"], port.Empty())
        assert asyncio.run(calls()) == expected
        assert asyncio.run(calls()) == expected


FORKS = """
import os, signal, sys
from lab_acl.gen import port
from lab_acl.gen.remote import Remote

remote = Remote(sys.argv[1], timeout=20)  # made before the fork, as a preloaded application does
inherited = None
if sys.argv[2] == "used":
    remote.get_sample(port.GetSampleRequest("samples/1"))
    inherited = remote._connection._channel()
workers = []
for number in range(4):
    process = os.fork()
    if not process:
        signal.alarm(40)
        names = [remote.get_sample(port.GetSampleRequest("samples/%d" % i)).name for i in range(5)]
        own = remote._connection._channel() is not inherited  # gRPC may mend one that is inherited, and may not
        os._exit(0 if own and names == ["samples/%d" % i for i in range(5)] else 1)
    workers.append(process)
codes = [os.waitpid(process, 0)[1] for process in workers]
assert remote.get_sample(port.GetSampleRequest("samples/1")).name == "samples/1"
print(codes)
"""


def run_here(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    del environment["GRPC_ENABLE_FORK_SUPPORT"]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("state", ["new", "used"])
def test_forked_workers_have_channels_of_their_own(state):
    with served() as (_, _remote, running):
        ran = run_here(FORKS, running.address, state)
    assert (ran.stdout, ran.returncode) == ("[0, 0, 0, 0]\n", 0), ran.stderr


# The parent holds a stream while it forks; the child says so, and what it would do next is nobody's promise.
FORKED_CALLING = """
import logging, os, sys
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from lab_acl.gen import port
from lab_acl.gen.remote import Remote

remote = Remote(sys.argv[1], timeout=20)
answers = remote.watch(port.GetSampleRequest("samples/1"))
next(answers)
if not os.fork():
    sys.stdout.flush()
    os._exit(0)
os.wait()
list(answers)
if not os.fork():
    print("nothing to say")
    sys.stdout.flush()
    os._exit(0)
os.wait()
os._exit(0)
"""


def test_a_fork_while_the_service_is_being_called_is_said():
    with served() as (_, _remote, running):
        ran = run_here(FORKED_CALLING, running.address)
    first, second = ran.stdout.splitlines()
    assert first.startswith("this process was forked while Watch was being called")
    assert "Fork before the first call" in first
    assert second == "nothing to say"


PRELOADED = """
import logging, os, sys, types
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)
from lab_acl.gen.runtime.acl.serving import ForkedError, surroundings
from lab_acl.gen.servicer import start

# As gunicorn's arbiter does it: it imports the application in setup(), and its workers do so within spawn_worker().
arbiter = types.ModuleType("gunicorn.arbiter")
exec("def setup(load):\\n return load()\\ndef spawn_worker(load):\\n return setup(load)\\n", vars(arbiter))
sys.modules["gunicorn.arbiter"] = arbiter

arbiter.spawn_worker(lambda: start(object())).stop(0)
print("in a worker: fine")
running = arbiter.setup(lambda: start(object()))
if not os.fork():
    for use in (lambda: running.stop(0), lambda: running.wait(0)):
        try:
            use()
        except ForkedError as error:
            assert surroundings() == (str(error),)
            print("refused")
    sys.stdout.flush()
    os._exit(0)
os.wait()
assert surroundings() == ()
running.stop(0)
if not os.fork():
    print("after the end:", surroundings())
    sys.stdout.flush()
    os._exit(0)
os.wait()
"""


def test_a_server_that_was_started_before_the_fork_is_said_and_refused():
    ran = run_here(PRELOADED)
    assert ran.returncode == 0, ran.stderr
    first, preloads, forked, *rest = ran.stdout.splitlines()
    assert first == "in a worker: fine"
    assert preloads.startswith("WARNING gunicorn preloads the application")
    assert forked.startswith("ERROR the server was started in process") and "post_worker_init" in forked
    assert rest == ["refused", "refused", "after the end: ()"]


def uwsgi_of(opt, worker=1, mule=0):
    return SimpleNamespace(opt=opt, worker_id=lambda: worker, mule_id=lambda: mule)


@pytest.mark.parametrize(
    ("uwsgi", "said"),
    [
        (uwsgi_of({}), ["without threads"]),
        (uwsgi_of({"enable-threads": b"false"}), ["without threads"]),
        (uwsgi_of({"enable-threads": True}), []),
        (uwsgi_of({"threads": b"4"}), []),
        (uwsgi_of({b"enable-threads": b"true"}), []),
        (uwsgi_of({"threads": b"4"}, worker=0), ["before it forks"]),
        (uwsgi_of({"threads": b"4"}, worker=0, mule=1), []),
        (uwsgi_of({}, worker=0), ["without threads", "before it forks"]),
    ],
)
def test_what_uwsgi_keeps_from_working_is_said(monkeypatch, uwsgi, said):
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    assert [any(part in words for part in said) for words in surroundings()] == [True] * len(said)


def test_patched_threads_are_said_when_a_server_starts(monkeypatch, caplog):
    assert surroundings() == ()
    monkeypatch.setitem(sys.modules, "gevent.monkey", SimpleNamespace(is_module_patched=lambda name: True))
    with served():
        pass
    assert [r.getMessage().split()[0] for r in caplog.records] == ["gevent"]


COPY = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
# The monolith's own copy of the file, older and different, in the pool that everybody shares.
mine = descriptor_pb2.FileDescriptorProto(name="lab/v1/lab.proto", package="lab.v1", syntax="proto3")
mine.message_type.add(name="Sample").field.add(name="name", number=1, type=5, label=1)
pool = descriptor_pool.Default()
pool.AddSerializedFile(mine.SerializeToString())
# And those of files that everybody copies.
for name, package in [("google/api/resource.proto", "google.api"), ("google/type/money.proto", "google.type")]:
    pool.AddSerializedFile(descriptor_pb2.FileDescriptorProto(name=name, package=package).SerializeToString())
Mine = message_factory.GetMessageClass(pool.FindMessageTypeByName("lab.v1.Sample"))
from lab_acl.gen import port, wire
assert wire.CODEC.decode(wire.CODEC.encode(port.Sample(name="x"), "lab.v1.Sample"), port.Sample).name == "x"
assert Mine(name=3).name == 3
print("both")
"""


def test_a_monolith_with_its_own_copy_of_the_file_is_not_disturbed():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", COPY], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout == "both\n", ran.stderr


class Two(Exception):
    def __init__(self, what, how_many):
        super().__init__(f"{how_many} of {what}")


class Named(Exception):
    def __init__(self, text, *, name):
        super().__init__(text)


class Inherits(Two):
    pass


def no_argument():
    return Two("a", 1)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (Pair(Two, errors.Aborted, "X"), "Two is not made of a message alone: give its pair back="),
        (Pair(Named, errors.Aborted, "X"), "Named is not made of a message alone"),
        (Pair(Inherits, errors.Aborted, "X"), "Inherits is not made of a message alone"),
        (Pair(Two, errors.Aborted, "X", back=no_argument), "back= of Two is called with the API's error"),
        (Pair(Broken, errors.Aborted, "X", message=no_argument), "message= of Broken is called with the exception"),
    ],
)
def test_an_exception_that_cannot_be_made_again_is_found_at_once(pair, said):
    with pytest.raises(ErrorMapError, match=said):
        ErrorMap(pair)


@pytest.mark.parametrize("cls", [Broken, KeyError, OSError, UnicodeDecodeError, ValueError])
def test_what_does_not_say_how_it_is_made_passes(cls):
    assert ErrorMap(Pair(cls, errors.Aborted, "X")).problems() == []


def fails(error):
    raise TypeError("a mistake in errors.py")


class Late(Exception):
    """What it is made of shows only when it is made."""

    def __init__(self, *arguments):
        one, two = arguments
        super().__init__(one + two)


@pytest.mark.parametrize(
    "pair",
    [
        Pair(Late, errors.Aborted, "X"),
        Pair(UnicodeDecodeError, errors.Aborted, "X"),
        Pair(Two, errors.Aborted, "X", back=fails),
        Pair(Two, errors.Aborted, "X", back=lambda e: None),
        Pair(Two, errors.Aborted, "X", back=lambda e: Two),
    ],
    ids=["two arguments", "in C", "raises", "nothing", "a class"],
)
def test_an_error_that_cannot_be_turned_goes_on_as_it_is(pair, caplog):
    error = errors.Aborted("it happened", reason="X")
    assert ErrorMap(pair).inward(error) is error
    assert len(caplog.records) == 1


@pytest.mark.parametrize("message", [fails, lambda e: None, lambda e: b"x"], ids=["raises", "nothing", "bytes"])
def test_a_message_that_cannot_be_made_hides_no_error_and_tells_nothing(message, caplog):
    made = ErrorMap(Pair(Broken, errors.Aborted, "OUT_OF_ORDER", message=message)).outward(Broken("a secret"))
    assert (made.code, made.reason, made.message) == (grpc.StatusCode.ABORTED, "OUT_OF_ORDER", "out of order")
    assert len(caplog.records) == 1


def test_exceptions_that_are_defined_after_the_map_are_found(caplog):
    class Family(Exception):
        pass

    class Early(Family):
        pass

    found = ErrorMap(Pair(Early, errors.Aborted, "X"), families=[Family])
    assert found.problems() == []
    later = type("Later", (Family,), {})
    assert len(found.problems()) == 1 and "Later has no pair" in found.problems()[0]
    start(Lab(), errors=found).stop(0)
    assert [r.getMessage() for r in caplog.records] == [f"errors.py: {found.problems()[0]}"]
    assert later.__name__ in caplog.text


def test_the_map_of_errors_is_complete_and_unambiguous():
    with pytest.raises(ErrorMapError, match="TooHot has no pair"):
        ErrorMap(Pair(Broken, errors.Aborted, "BROKEN"), families=[LabError])
    with pytest.raises(ErrorMapError, match="nobody could tell them apart"):
        ErrorMap(Pair(Broken, errors.Aborted, "X"), Pair(TooHot, errors.Aborted, "X"))
    with pytest.raises(ErrorMapError, match="paired twice"):
        ErrorMap(Pair(Broken, errors.Aborted, "X"), Pair(Broken, errors.NotFound, "Y"))
    with pytest.raises(ErrorMapError, match="no reason"):
        ErrorMap(Pair(Broken, errors.Aborted, ""))
    assert ErrorMap(Pair(LabError, errors.Aborted, "LAB"), families=[LabError]).problems() == []
