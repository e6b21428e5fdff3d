"""What a command prints, held to what `coterie schema` says of it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import msgspec
from pydantic import TypeAdapter

from coterie.app.cli.local.schema import find_speaking, schema_of


def check_json(words: str, text: str) -> Any:
    """The document that the command of these words printed, once it is what its schema says, and holds nothing else."""
    command = find_speaking(words.split())
    value = json.loads(text)
    jsonschema.validate(value, schema_of(command), cls=jsonschema.Draft202012Validator)
    kind = command.answer_type()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        assert json.loads(msgspec.json.encode(msgspec.json.decode(text, type=kind))) == value
    else:
        TypeAdapter(kind).validate_python(value)  # the API's own types allow nothing else
    return value
