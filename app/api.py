"""The documented HTTP endpoints: the cluster as this node sees it, and writes to this node's own keys.

Every answer that is not 200 has the shape of `app/errors.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.cluster_state import encode_cluster_state
from app.errors import ApiError, Code, json_response
from app.http_gate import HttpGate
from app.models import ClusterStateAnswer, ErrorAnswer, StatusAnswer
from app.settings import HttpSettings
from gossip import GossipNode, KeyRefusedError, KeyTooLargeError, ReservedKeyError, TooManyKeysError

DESCRIPTION = """\
A node of a gossip cluster. Each node has keys of its own, which it alone writes and which spread to all others; \
and each node tells live nodes from dead ones.

Every error is answered with the same shape, `ErrorAnswer`: rely on its `code`."""

DONE = b'{"status":true}'

Key = Annotated[str, Query(min_length=1, description="The key; not empty.", examples=["hello"])]
Value = Annotated[str, Query(description="The value to associate with the key; may be empty.", examples=["world"])]


def create_app(node: GossipNode, limits: HttpSettings) -> FastAPI:
    """The ASGI application of a node. It must run in the node's own event loop."""
    app = FastAPI(
        title="Coterie",
        version=version("coterie"),
        description=DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        redirect_slashes=False,
        # The stock pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        # What no operation lists by itself: answers of the server whatever was asked.
        responses={
            "default": {
                "model": ErrorAnswer,
                "description": "Any other error: " + _listed(404, 405, 414, 431, 500, 503),
            }
        },
    )
    app.add_middleware(HttpGate, limits=limits)
    _add_error_answers(app)
    _add_endpoints(app, node)
    return app


def _add_endpoints(app: FastAPI, node: GossipNode) -> None:
    engine = node.engine

    def documented(path: str, **about: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A GET endpoint; with and without a trailing slash, and in the OpenAPI document once."""

        def add(endpoint: Callable[..., Any]) -> Callable[..., Any]:
            app.get(path, operation_id=endpoint.__name__, **about)(endpoint)
            if path != "/":
                app.get(path + "/", include_in_schema=False)(endpoint)
            return endpoint

        return add

    @documented(
        "/",
        summary="The cluster as this node sees it",
        response_model=ClusterStateAnswer,
        response_description="The cluster, as compact JSON",
        tags=["cluster"],
    )
    async def get_cluster_state() -> Response:
        """All known nodes with their keys, and which of them are alive."""
        # Thousands of nodes with their keys: rendered directly, not by way of the model.
        return json_response(encode_cluster_state(engine))

    @documented(
        "/set_kv",
        summary="Set a key of this node",
        response_model=StatusAnswer,
        response_description="Done",
        responses=_errors(400, 403, 413, 507),
        tags=["keys"],
    )
    async def set_kv(key: Key, value: Value) -> Response:
        """Sets a key-value pair on the current node; from there it spreads to all others."""
        try:
            node.set(key, value)
        except KeyRefusedError as error:
            _refuse(error, "key" if len(key.encode()) > engine.config.max_key_value_bytes else "value")
        return json_response(DONE)

    @documented(
        "/mark_for_deletion",
        summary="Delete a key of this node",
        response_model=StatusAnswer,
        response_description="Done",
        responses=_errors(400, 403, 413),
        tags=["keys"],
    )
    async def mark_for_deletion(key: Key) -> Response:
        """Marks a key for deletion on the current node. The mark spreads to all others and is kept for
        `marked_for_deletion_grace_period`. A key that is not there is no error."""
        limit = engine.config.max_key_value_bytes
        if len(key.encode()) > limit:
            raise ApiError(Code.TOO_LARGE, f"the key is longer than max_key_value_bytes = {limit}", "key")
        try:
            node.delete(key)
        except KeyRefusedError as error:
            _refuse(error, "key")
        return json_response(DONE)


def _refuse(error: KeyRefusedError, larger: str) -> NoReturn:
    match error:
        case KeyTooLargeError():
            raise ApiError(Code.TOO_LARGE, str(error), larger)
        case ReservedKeyError():
            raise ApiError(Code.RESERVED_KEY, str(error), "key")
        case TooManyKeysError():
            raise ApiError(Code.TOO_MANY_KEYS, f"{error}; delete some, and wait for their grace period")
    raise ApiError(Code.KEY_REFUSED, str(error), "key")


# -- errors ------------------------------------------------------------------------------------------------------------

_MEANINGS = {
    400: "A parameter is missing, empty or not UTF-8, or the key is refused",
    403: "The key stands under the prefix that the node keeps for itself",
    413: "Key and value are larger than `max_key_value_bytes`",
    507: "The node holds `max_keys_per_node` keys already",
}


def _listed(*statuses: int) -> str:
    return ", ".join(f"`{code}` ({code.status})" for code in Code if code.status in statuses)


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "model": ErrorAnswer,
            "description": f"{_MEANINGS[status]}: {_listed(status)}",
        }
        for status in statuses
    }


def _add_error_answers(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def answer_api_error(_request: Request, error: ApiError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def answer_validation_error(_request: Request, error: RequestValidationError) -> Response:
        details = error.errors()[0]
        parameter = str(details["loc"][-1])
        match details["type"]:
            case "missing":
                refused = ApiError(Code.MISSING_PARAMETER, f"the parameter {parameter} is missing", parameter)
            case "string_too_short":
                refused = ApiError(Code.EMPTY_PARAMETER, f"the parameter {parameter} must not be empty", parameter)
            case _:
                refused = ApiError(Code.INVALID_REQUEST, f"the parameter {parameter}: {details['msg']}", parameter)
        return refused.response()

    @app.exception_handler(HTTPException)
    async def answer_http_exception(request: Request, error: HTTPException) -> Response:
        match error.status_code:
            case 404:
                refused = ApiError(Code.NOT_FOUND, "there is nothing at this path; /openapi.json lists what there is")
            case 405:
                use = (error.headers or {}).get("Allow", "another method")
                refused = ApiError(Code.METHOD_NOT_ALLOWED, f"{request.method} is not possible at this path; use {use}")
            case _:
                refused = ApiError(Code.INVALID_REQUEST, str(error.detail))
        return refused.response(error.headers)
