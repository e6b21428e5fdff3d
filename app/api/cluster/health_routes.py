"""Health and metrics for monitoring: `/metrics`, `/livez`, `/readyz`, `/healthz`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Literal

from fastapi import FastAPI, Header, Query
from starlette.responses import Response

from coterie.app.api.parameters.declared import answer
from coterie.app.api.parameters.documenting import errors
from coterie.app.http.errors import ApiError
from coterie.app.observability.health import CHECKS, Check, Health
from coterie.app.observability.metrics.exposition import Exposition
from coterie.app.wire.base import Answer, Doc
from coterie.app.wire.errors import Code

TAG = "health"

Verbose = Annotated[
    str | None,
    Query(description="Name all checks, also where they pass; needs no value.", examples=[""]),
]
Exclude = Annotated[
    list[str] | None,
    Query(description="A check to leave out, such as `raft`; may be given several times.", examples=[["raft"]]),
]

_EXAMPLE = """# HELP coterie_gossip_nodes Nodes known, by state; this one is live.
# TYPE coterie_gossip_nodes gauge
coterie_gossip_nodes{state="live"} 3.0
coterie_gossip_nodes{state="dead"} 0.0
coterie_gossip_nodes{state="joining"} 0.0
"""


class HealthCheck(Answer, frozen=True):
    """One thing that must be so."""

    name: Annotated[str, Doc(examples=["raft"])]
    ok: bool
    reason: Annotated[str | None, Doc(examples=["no leader has been heard of for 12 s"])]
    """Why it is not; null where it is."""


class HealthAnswer(Answer, frozen=True):
    """All is well."""

    status: Annotated[str, Doc(Literal["ok"])]
    checks: tuple[HealthCheck, ...] | None = None
    """With `verbose` alone."""


def _judge(checks: list[Check], verbose: str | None, exclude: list[str] | None) -> Response:
    known = sorted(CHECKS.union(check.name for check in checks))
    for name in exclude or ():
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            advice = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}"
            raise ApiError(Code.INVALID_REQUEST, f"there is no check {name!r}; {advice}", "exclude")
    judged = [check for check in checks if check.name not in (exclude or ())]
    shown = [{"name": check.name, "ok": check.ok, "reason": check.reason} for check in judged]
    failing = [f"{check.name}: {check.reason}" for check in judged if not check.ok]
    if failing:
        raise ApiError(Code.NOT_READY, "; ".join(failing), details={"checks": shown})
    return answer({"status": "ok", **({} if verbose is None else {"checks": shown})})


def add_health(app: FastAPI, health: Health, exposition: Exposition) -> None:
    @app.get(
        "/livez",
        summary="Is this node alive?",
        operation_id="get_livez",
        response_model=HealthAnswer,
        response_description="It is",
        responses=errors(Code.INVALID_REQUEST, Code.NOT_READY),
        tags=[TAG],
    )
    async def get_livez(verbose: Verbose = None, exclude: Exclude = None) -> Response:
        """Where this fails or is not answered, restart the node. It says nothing of the rest of the cluster: a node
        without peers, without a leader or with a full disk is alive."""
        return _judge(health.live_checks(), verbose, exclude)

    @app.get(
        "/readyz",
        summary="Should requests be sent to this node?",
        operation_id="get_readyz",
        response_model=HealthAnswer,
        response_description="They should",
        responses=errors(Code.INVALID_REQUEST, Code.NOT_READY),
        tags=[TAG],
    )
    async def get_readyz(verbose: Verbose = None, exclude: Exclude = None) -> Response:
        """Ready is a node that is alive, is not stopping or leaving, and, where it takes part in Raft, has joined its
        cluster, has no fault, and holds metadata that is not older than `health.max_staleness`: so it hears of a leader
        and keeps up. A node without Raft is ready without a leader. With `?exclude=raft` a load balancer keeps sending
        what needs gossip alone to nodes that have lost their majority."""
        return _judge(health.ready_checks(), verbose, exclude)

    @app.get(
        "/healthz",
        summary="Both",
        operation_id="get_healthz",
        response_model=HealthAnswer,
        response_description="Alive and ready",
        responses=errors(Code.INVALID_REQUEST, Code.NOT_READY),
        tags=[TAG],
    )
    async def get_healthz(verbose: Verbose = None, exclude: Exclude = None) -> Response:
        """As `/readyz`, which includes `/livez`; for whoever knows but one path."""
        return _judge(health.ready_checks(), verbose, exclude)

    @app.get(
        "/metrics",
        summary="Metrics for Prometheus",
        operation_id="get_metrics",
        response_class=Response,
        response_description="All metrics",
        responses={
            200: {
                "content": {
                    "text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE},
                    "application/openmetrics-text": {"schema": {"type": "string"}},
                }
            }
        },
        tags=[TAG],
    )
    async def get_metrics(
        accept: Annotated[
            str | None,
            Header(
                description="OpenMetrics is answered where it is asked for.",
                examples=["application/openmetrics-text; version=1.0.0"],
            ),
        ] = None,
    ) -> Response:
        """In Prometheus' text format, or as OpenMetrics. Names begin with `coterie_`; `process_` and
        `python_` are those of the official client. Labels take values of small fixed sets."""
        body, content_type = exposition.render(accept or "")
        return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
