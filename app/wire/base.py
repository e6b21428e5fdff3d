"""Bases of the API's objects: one definition for the node, its OpenAPI document, the client and the command line.

Each object is a msgspec struct, which is cheap to import and to decode: the client and the command line need no more.
The node documents these structs, and checks the bodies of requests by them, through pydantic, which nodes alone import
(`app/wire/pydantic_models.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

MAX_INT = 2**53 - 1
"""Whole numbers of the metadata end here: every JSON reader carries them."""


class Doc:
    """What the OpenAPI document says of a field beyond its type: `Annotated[str, Doc(Role, examples=["voter"])]`.

    A node promises what is documented. A client takes any value of the field's type, so that it works with nodes of a
    later version.
    """

    __slots__ = ("constraints", "type")

    def __init__(self, type: Any = None, /, **constraints: Any) -> None:  # noqa: A002
        """`type`: the documented one, in place of the field's. `constraints`: arguments of pydantic's `Field`."""
        self.type = type
        self.constraints = constraints

    def on(self, hint: Any) -> Any:
        """The type of a field, as pydantic documents and checks it."""
        from pydantic import Field  # noqa: PLC0415 - nodes alone come here

        return Annotated[self.type or hint, Field(**self.constraints)]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return handler.generate_schema(self.on(source))


class Answer(msgspec.Struct, frozen=True):
    """Base of what nodes answer. A reader passes over fields that it does not know."""

    EXAMPLE: ClassVar[Any] = None
    """For the OpenAPI document."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: Any) -> Any:
        from coterie.app.wire.pydantic_models import schema_of  # noqa: PLC0415 - nodes alone come here

        return schema_of(cls, handler)


class Body(Answer, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of what requests bring; what is not said has its default."""


U64 = Annotated[int, Doc(ge=0, le=2**64 - 1)]
Count = Annotated[int, Doc(ge=0)]
Revision = Annotated[int, Doc(ge=0, examples=[17])]

Encoding = Literal["utf-8", "base64"]
"""Of a value in JSON: `base64` where it is not UTF-8 text."""
