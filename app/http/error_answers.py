"""Answers every error of the framework in the one shape of `app/wire/errors.py`."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from coterie.app.http.errors import ApiError
from coterie.app.http.gate.browser_guard import CHANGING_GETS
from coterie.app.http.gate.gate import FAULT
from coterie.app.wire.errors import Code


def add_error_answers(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def answer_api_error(_request: Request, error: ApiError) -> Response:
        return error.response()

    @app.exception_handler(Exception)
    async def answer_fault(_request: Request, _error: Exception) -> Response:
        return FAULT.response()  # the gate logs it

    @app.exception_handler(RequestValidationError)
    async def answer_validation_error(request: Request, error: RequestValidationError) -> Response:
        details = error.errors()[0]
        where, *path = map(str, details["loc"])
        parameter = ".".join(path) or where
        match details["type"]:
            case "missing":
                refused = ApiError(Code.MISSING_PARAMETER, f"the parameter {parameter} is missing", parameter)
            case "string_too_short":
                refused = ApiError(Code.EMPTY_PARAMETER, f"the parameter {parameter} must not be empty", parameter)
            case "model_attributes_type" if not path and isinstance(details["input"], bytes):
                # Read as JSON is only what says that it is; curl calls what it sends with -d a form.
                content_type = request.headers.get("content-type", "nothing")
                problem = f"the body must come as Content-Type: application/json, not as {content_type}"
                refused = ApiError(Code.INVALID_REQUEST, problem, "Content-Type")
            case _:
                problem = details["msg"].removeprefix("Value error, ")
                refused = ApiError(Code.INVALID_REQUEST, f"the parameter {parameter}: {problem}", parameter)
        return refused.response()

    @app.exception_handler(HTTPException)
    async def answer_http_exception(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        match error.status_code:
            case 404:
                refused = ApiError(Code.NOT_FOUND, "there is nothing at this path; /openapi.json lists what there is")
            case 405:
                methods = _allowed(request)
                use = ", ".join(sorted(methods))
                headers["Allow"] = ", ".join(sorted(methods | _head(request.url.path, methods)))
                refused = ApiError(Code.METHOD_NOT_ALLOWED, f"{request.method} is not possible at this path; use {use}")
            case _:
                refused = ApiError(Code.INVALID_REQUEST, str(error.detail))
        return refused.response(headers)


def _head(path: str, methods: set[str]) -> set[str]:
    """HEAD, where GET is; the answers of the documented endpoints stay as they are."""
    return {"HEAD"} if "GET" in methods and path not in {"/", *CHANGING_GETS} else set()


def _allowed(request: Request) -> set[str]:
    """What can be done at a path, by all the routes that have it."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in fitting for method in route.methods or ()}
