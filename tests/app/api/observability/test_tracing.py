"""A forwarded write is one trace: the client's, through entry node and leader, to the result of the proposal."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import httpx
import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
from pydantic import ValidationError

from coterie.app.api.app import create_app
from coterie.app.http.forwarding import Forwarder
from coterie.app.observability.otel import OtelTracer
from coterie.app.settings import tracing as tracing_settings
from coterie.app.settings.tracing import TracingSettings
from coterie.consensus import Member, MemberConfig
from coterie.consensus.raft.errors import ProtocolError
from coterie.consensus.raft.messages import Forward, Message, decode, encode
from coterie.consensus.raft.settings import RaftConfig as MemberSettings
from coterie.gossip import GossipNode
from tests.app.api.conftest import HTTP, RAFT, Part, gossip_node
from tests.app.api.servers import serving
from tests.app.api.test_forwarding import Client
from tests.app.processes import running
from tests.consensus.api.groups import Group
from tests.consensus.api.groups import running as group_running
from tests.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@dataclass
class Traced:
    """A client of an entry node without Raft, the leader behind it, and the spans of both."""

    client: httpx.AsyncClient
    spans: InMemorySpanExporter

    async def finished(self, count: int) -> dict[str, ReadableSpan]:
        """By node and name, once so many have ended: the leader's may end behind its answer."""
        await eventually(lambda: len(self.spans.get_finished_spans()) >= count)
        found = self.spans.get_finished_spans()
        return {f"{span.resource.attributes['service.instance.id']!s}: {span.name}": span for span in found}


@pytest.fixture
async def traced(gossip: GossipNode, part: Part) -> AsyncIterator[Traced]:
    spans = InMemorySpanExporter()
    settings = TracingSettings()
    at_leader = OtelTracer(settings, "leader", SimpleSpanProcessor(spans))
    part.metadata.tracing = at_leader
    entry = gossip_node("entry", 10_002)
    raft = Client(entry)
    async with serving(create_app(gossip, HTTP, RAFT, part, tracer=at_leader)) as raft.leader:
        tracer = OtelTracer(settings, "entry", SimpleSpanProcessor(spans))
        forwarder = Forwarder(entry.node.node_id, raft, HTTP, asyncio.Event(), tracer)
        app = create_app(entry, HTTP, RAFT, raft, tracer=tracer, forwarder=forwarder)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield Traced(client, spans)
        forwarder.close()
    await entry.stop()


def parent_of(span: ReadableSpan) -> str:
    return "" if span.parent is None else format_span_id(span.parent.span_id)


def own_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return format_span_id(span.context.span_id)


async def test_a_forwarded_write_is_one_trace(traced: Traced) -> None:
    headers = {"traceparent": TRACEPARENT, "tracestate": "vendor=1"}
    written = await traced.client.put("/v1/meta/secret-key", content=b"secret-value", headers=headers)
    assert written.status_code == 200
    spans = await traced.finished(4)
    names = ["entry: PUT /v1/meta/{key}", "entry: forward to the leader", "leader: PUT /v1/meta/{key}"]
    chain = [spans[name] for name in [*names, "leader: raft propose"]]
    assert len(spans) == 4
    for span, parent in zip(chain, [PARENT, *map(own_id, chain)], strict=False):
        assert span.context is not None
        assert format_trace_id(span.context.trace_id) == TRACE
        assert parent_of(span) == parent
        assert span.context.trace_state.get("vendor") == "1"
    assert chain[0].attributes is not None
    assert dict(chain[0].attributes) == {
        "http.request.method": "PUT",
        "http.route": "/v1/meta/{key}",
        "http.response.status_code": 200,
    }
    assert not any("secret" in span.to_json() for span in chain)


async def test_a_read_is_traced_too_and_what_is_refused_is_no_fault(traced: Traced) -> None:
    assert (await traced.client.get("/v1/meta/absent", headers={"traceparent": TRACEPARENT})).status_code == 404
    spans = await traced.finished(4)
    assert all(span.status.is_ok and not span.events for span in spans.values())
    assert "leader: raft read" in spans


async def test_the_clients_decision_to_trace_nothing_holds(traced: Traced) -> None:
    written = await traced.client.put("/v1/meta/a", content=b"x", headers={"traceparent": TRACEPARENT[:-1] + "0"})
    assert written.status_code == 200
    # The next one, which is traced, would come behind its spans.
    await traced.client.put("/v1/meta/a", content=b"x")
    spans = await traced.finished(4)
    assert {format_trace_id(span.context.trace_id) for span in spans.values() if span.context} != {TRACE}
    assert len(traced.spans.get_finished_spans()) == 4


async def test_an_ill_formed_parent_begins_a_trace_of_its_own(traced: Traced) -> None:
    assert (await traced.client.put("/v1/meta/a", content=b"x", headers={"traceparent": "nonsense"})).status_code == 200
    spans = await traced.finished(4)
    assert len({span.context.trace_id for span in spans.values() if span.context}) == 1


class Said:
    """What a member says to others."""

    def __init__(self, member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
        self.forwards: list[Forward] = []
        send = member.transport.send

        def watch(to: str, message: Message) -> None:
            if isinstance(message, Forward):
                self.forwards.append(message)
            send(to, message)

        monkeypatch.setattr(member.transport, "send", watch)


@pytest.fixture
async def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def traced_group(tmp_path: Path, spans: InMemorySpanExporter) -> AsyncIterator[tuple[Group, OtelTracer]]:
    tracer = OtelTracer(TracingSettings(), "all", SimpleSpanProcessor(spans))
    # Long enough that who leads goes on leading, also on a busy machine.
    calm = MemberSettings(election_min=2.0, election_max=3.0)
    async with group_running(tmp_path, config=MemberConfig(secret=b"s", raft=calm, tracing=tracer)) as group:
        yield group, tracer


async def finished(spans: InMemorySpanExporter, count: int) -> dict[str, ReadableSpan]:
    await eventually(lambda: len(spans.get_finished_spans()) >= count)
    return {span.name: span for span in spans.get_finished_spans()}


async def test_what_a_follower_passes_on_has_a_span_at_the_leader(
    traced_group: tuple[Group, OtelTracer], spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, tracer = traced_group
    follower = group.followers()[0]
    said = Said(follower, monkeypatch)
    headers = [(b"traceparent", TRACEPARENT.encode())]
    for kind in ("propose", "read"):
        spans.clear()
        with tracer.serve(headers, "request"):
            if kind == "propose":
                await follower.metadata.put(b"a", b"secret-value")
            else:
                await follower.metadata.barrier(30.0)
        found = await finished(spans, 3)
        chain = [found[name] for name in ("request", f"raft {kind}", f"raft {kind} for a follower")]
        for span, parent in zip(chain, [PARENT, *map(own_id, chain)], strict=False):
            assert span.context is not None
            assert format_trace_id(span.context.trace_id) == TRACE
            assert parent_of(span) == parent
        assert chain[2].kind is SpanKind.SERVER
        assert chain[2].status.is_ok
        assert said.forwards[-1].trace == f"00-{TRACE}-{own_id(chain[1])}-01"
        assert not any("secret" in span.to_json() for span in chain)


async def test_nothing_goes_along_with_what_is_not_traced(
    traced_group: tuple[Group, OtelTracer], spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, tracer = traced_group
    follower = group.followers()[0]
    said = Said(follower, monkeypatch)
    with tracer.serve([(b"traceparent", TRACEPARENT[:-1].encode() + b"0")], "not to be sampled"):
        await follower.metadata.put(b"a", b"x")
    await follower.metadata.put(b"a", b"the node's own")
    assert len(said.forwards) >= 2
    assert {each.trace for each in said.forwards} == {""}
    assert all(b"trace" not in encode(each) for each in said.forwards)
    assert spans.get_finished_spans() == ()


async def test_a_trace_that_is_none_and_a_recorder_that_fails_cost_spans_alone(
    traced_group: tuple[Group, OtelTracer], spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, _ = traced_group
    follower = group.followers()[0]
    monkeypatch.setattr(follower.metadata.tracing, "carried", lambda: "nonsense")
    await follower.metadata.put(b"a", b"x")
    assert spans.get_finished_spans() == ()

    def fails(*_: str) -> Any:
        raise RuntimeError

    def ends_badly(*_: str) -> Any:
        return fails

    for recorder in (fails, ends_badly):
        for member in group.members.values():
            member.node.state.on_forwarded = recorder
        await follower.metadata.put(b"a", b"y")
    assert not any(member.node.stopped for member in group.members.values())


def test_members_of_the_release_before_pass_the_trace_over() -> None:
    class Former(msgspec.Struct, frozen=True, tag="forward"):
        request: int
        kind: str
        body: bytes
        timeout: float

    traced = encode(Forward(1, "read", b"", 2.0, TRACEPARENT))
    assert msgspec.msgpack.decode(traced, type=Former) == Former(1, "read", b"", 2.0)
    assert encode(Forward(1, "read", b"", 2.0)) == msgspec.msgpack.encode(Former(1, "read", b"", 2.0))
    assert decode(msgspec.msgpack.encode(Former(1, "read", b"", 2.0))) == Forward(1, "read", b"", 2.0)
    with pytest.raises(ProtocolError):
        decode(encode(Forward(1, "read", b"", 2.0, "x" * 1_000)))


def test_without_a_collector_nothing_of_the_sdk_is_loaded() -> None:
    program = "import coterie.app.node.run, sys; print([m for m in sys.modules if m.startswith('opentelemetry.sdk')])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert loaded.stdout == "[]\n", loaded.stderr


def test_a_bad_endpoint_and_a_missing_extra_say_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="must be a URL such as"):
        TracingSettings(endpoint="localhost")
    monkeypatch.setattr(tracing_settings, "EXPORTER", "opentelemetry_is_not_there.exporter")
    with pytest.raises(ValidationError, match=r"pip install 'coterie\[otel\]'"):
        TracingSettings(endpoint="http://127.0.0.1:4318/v1/traces")


@pytest.fixture
def collector() -> Iterator[tuple[str, Queue[ExportTraceServiceRequest]]]:
    """An OTLP receiver: its URL, and what came in."""
    received: Queue[ExportTraceServiceRequest] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.put(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
@pytest.mark.cluster
def test_a_node_hands_its_spans_to_a_collector(
    tmp_path: Path, collector: tuple[str, Queue[ExportTraceServiceRequest]]
) -> None:
    endpoint, received = collector
    with running(
        NODE_ID="alone",
        DATA_DIR=str(tmp_path),
        RAFT__ENABLED="true",
        RAFT__BOOTSTRAP_EXPECT="1",
        TRACING__ENDPOINT=endpoint,
        INTERVAL_MS="100",
    ) as node:
        host, port = node.address
        headers = {"traceparent": TRACEPARENT}
        written = httpx.put(
            f"http://{host}:{port}/v1/meta/a?timeout=30", content=b"x", headers=headers, timeout=PATIENCE_SECONDS
        )
        while written.status_code == 503:  # the cluster is being founded
            written = httpx.put(
                f"http://{host}:{port}/v1/meta/a", content=b"x", headers=headers, timeout=PATIENCE_SECONDS
            )
        assert written.status_code == 200
        assert node.end() == 0  # what is left is handed over at the end
    names = set()
    while not received.empty():
        for resource in received.get().resource_spans:
            for scope in resource.scope_spans:
                names |= {span.name for span in scope.spans if span.trace_id.hex() == TRACE}
    assert names >= {"PUT /v1/meta/{key}", "raft propose"}
