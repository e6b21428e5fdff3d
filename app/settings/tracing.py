"""Settings of traces, and whether the packages that they need are installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from coterie.app.settings.types import Count, Table

EXPORTER = "opentelemetry.exporter.otlp.proto.http"


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"must be a URL such as http://127.0.0.1:4318/v1/traces, not {value!r}")
    if not is_installed():
        raise ValueError("needs OpenTelemetry, which is not installed: pip install 'coterie[otel]'")
    return value


def is_installed() -> bool:
    try:
        return find_spec(EXPORTER) is not None
    except ModuleNotFoundError:
        return False


class TracingSettings(Table):
    """OpenTelemetry traces. They need the extra `coterie[otel]`."""

    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    """URL of an OTLP collector (HTTP, protobuf), such as http://127.0.0.1:4318/v1/traces. Unset: no traces."""
    service_name: Annotated[str, Field(min_length=1, max_length=256)] = "coterie"
    """What the spans are said to be of; the node's name goes along as service.instance.id."""
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the traces that begin here which are kept. Where a client has begun one, its decision holds."""
    max_queued_spans: Count = 2_048
    """Spans that wait to be exported; further ones are dropped."""
