"""For schemathesis: an error's code is one that the document lists, for the operation and with that status."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, Response

from coterie.app.api.parameters.documenting import ANYWHERE


@schemathesis.check
def documented_code(_: CheckContext, response: Response, case: Case[Any]) -> None:
    if response.status_code < 400:
        return
    error = response.json()["error"]
    code, status = error["code"], response.status_code
    if code in ANYWHERE:
        return
    responses = case.operation.definition.raw["responses"]
    told = responses.get(str(status), {}).get("description", "")
    if f"`{code}` ({status})" not in told:
        raise AssertionError(f"{case.method} {case.path} answered {code} ({status}), which is not documented: {error}")
