"""Traces by the OpenTelemetry SDK. Imported only where `tracing.endpoint` is set: the SDK is an optional extra."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from coterie.app.observability.tracing import SHUTDOWN_SECONDS, Headers
from coterie.app.settings.tracing import TracingSettings

CARRIED = ("traceparent", "tracestate")
"""The headers of W3C Trace Context."""


class _Span:
    def __init__(self, span: Span) -> None:
        self._span = span

    def set(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)
        if name == "http.route":
            self._span.update_name(f"{getattr(self._span, 'name', '')} {value}".strip())

    def fail(self, why: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, why))


class OtelTracer:
    def __init__(self, settings: TracingSettings, node_id: str, processor: SpanProcessor | None = None) -> None:
        """`processor`: what takes the finished spans; the configured collector, unless given."""
        resource = Resource.create(
            {
                "service.name": settings.service_name,
                "service.instance.id": node_id,
                "service.version": version("coterie"),
            }
        )
        sampler = ParentBased(TraceIdRatioBased(settings.sample_ratio))
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(
            processor
            or BatchSpanProcessor(
                OTLPSpanExporter(endpoint=settings.endpoint), max_queue_size=settings.max_queued_spans,
                max_export_batch_size=min(512, settings.max_queued_spans),
            )
        )  # fmt: skip
        self._tracer = self._provider.get_tracer("coterie", version("coterie"))
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def serve(self, headers: Headers, name: str) -> Iterator[_Span]:
        carried = {key.decode("latin-1"): value.decode("latin-1") for key, value in headers}
        context = self._propagator.extract({key: carried[key] for key in CARRIED if key in carried})
        with self._tracer.start_as_current_span(name, context=context, kind=SpanKind.SERVER) as span:
            yield _Span(span)

    @contextmanager
    def call(self, name: str) -> Iterator[_Span]:
        with self._tracer.start_as_current_span(name, kind=SpanKind.CLIENT) as span:
            yield _Span(span)

    def step(self, name: str) -> AbstractContextManager[object]:
        if not trace.get_current_span().get_span_context().is_valid:
            return trace.use_span(trace.INVALID_SPAN)  # of no request: the node's own upkeep makes no traces
        return self._tracer.start_as_current_span(name)

    def carried(self) -> str:
        if not trace.get_current_span().get_span_context().trace_flags.sampled:
            return ""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent", "")

    def forwarded(self, name: str, traceparent: str) -> Callable[[str], None]:
        context = self._propagator.extract({"traceparent": traceparent}, Context())
        if not trace.get_current_span(context).get_span_context().is_valid:
            return lambda _why: None  # a member may say anything; what is no parent begins no trace
        span = self._tracer.start_span(name, context=context, kind=SpanKind.SERVER)

        def end(why: str) -> None:
            if why:
                span.set_status(Status(StatusCode.ERROR, why))
            span.end()

        return end

    def inject(self, headers: Headers) -> None:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        headers[:] = [(name, value) for name, value in headers if name.decode("latin-1") not in CARRIED]
        headers += [(name.encode(), value.encode("latin-1")) for name, value in carrier.items()]

    def shut_down(self) -> None:
        """Hand over what waits, for so long and no longer; a collector that hangs holds nothing up."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(SHUTDOWN_SECONDS)
