"""What a command prints, held to what `coterie schema` says of it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import msgspec

from app.cli.schema import find_speaking, schema_of


def check_json(words: str, text: str) -> Any:
    """The document that the command of these words printed, once it is what its schema says, and holds nothing else."""
    command = find_speaking(words.split())
    value = json.loads(text)
    jsonschema.validate(value, schema_of(command), cls=jsonschema.Draft202012Validator)
    told = msgspec.json.decode(text, type=command.answer_type())
    assert json.loads(msgspec.json.encode(told)) == value
    return value


def check_lines(words: str, text: str) -> list[Any]:
    """The same of each line."""
    assert find_speaking(words.split()).follows
    return [check_json(words, line) for line in text.splitlines()]
