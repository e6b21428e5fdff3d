"""The API's objects as pydantic has them: for the OpenAPI document, and to check the bodies of requests."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import core_schema


def schema_of(struct: type[msgspec.Struct], handler: Any) -> Any:
    """pydantic's schema of a struct: what is read is the struct, and only where nothing is in it that it does not
    know."""

    def read(value: Any, check: Any) -> msgspec.Struct:
        if isinstance(value, struct):
            return value
        model = check(value)
        given = {name: getattr(model, name) for name in model.model_fields_set}
        return struct(**{name: tuple(each) if isinstance(each, list) else each for name, each in given.items()})

    return core_schema.no_info_wrap_validator_function(read, handler(model_of(struct)))


@cache
def model_of(struct: type[msgspec.Struct]) -> type[BaseModel]:
    """A model with the fields, the constraints and the docstrings of the struct."""
    texts = _texts(struct)
    hints = get_type_hints(struct, include_extras=True)
    example = getattr(struct, "EXAMPLE", None)
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        given: dict[str, Any] = {}
        if field.name in texts:
            given["description"] = texts[field.name]
        if field.encode_name != field.name:
            given["alias"] = field.encode_name
        shown: Any = Annotated[_documented(hints[field.name]), Field(**given)]
        fields[field.name] = (shown, ... if field.default is msgspec.NODEFAULT else _plain(field.default))
    model: type[BaseModel] = create_model(
        struct.__name__,
        __config__=ConfigDict(
            extra="forbid",
            populate_by_name=True,
            json_schema_extra={"examples": [example]} if example else None,
        ),
        __doc__=struct.__doc__,
        __module__=struct.__module__,
        **fields,
    )
    return model


def _plain(default: Any) -> Any:
    if default is msgspec.UNSET:
        return None
    return list(default) if isinstance(default, tuple) else default


def _documented(hint: Any) -> Any:
    """The type of a field as the document has it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        shown: Any = _documented(arguments[0])
        for each in arguments[1:]:
            shown = each.on(shown) if hasattr(each, "on") else Annotated[shown, Field(**_constraints(each))]
        return shown
    if origin in {Union, UnionType}:
        return Union[tuple(map(_documented, (each for each in arguments if each is not msgspec.UnsetType)))]  # noqa: UP007
    if origin is tuple:
        return list[_documented(arguments[0])]  # type: ignore[misc]
    if origin is dict:
        return dict[arguments[0], _documented(arguments[1])]  # type: ignore[misc, valid-type]
    return hint


def _constraints(meta: msgspec.Meta) -> dict[str, Any]:
    names = ("gt", "ge", "lt", "le", "min_length", "max_length", "pattern", "examples")
    return {name: value for name in names if (value := getattr(meta, name)) is not None}


def _texts(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The docstrings of its fields, inherited ones too."""
    found: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        found |= (
            _texts_of_module(each.__module__).get(each.__qualname__, {}) if issubclass(each, msgspec.Struct) else {}
        )
    return found


@cache
def _texts_of_module(name: str) -> dict[str, dict[str, str]]:
    """By class and field: what stands below a field as a string."""
    classes = (each for each in ast.parse(inspect.getsource(sys.modules[name])).body if isinstance(each, ast.ClassDef))
    return {
        each.name: {
            field.target.id: inspect.cleandoc(text.value.value)
            for field, text in zip(each.body, each.body[1:], strict=False)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
        for each in classes
    }
