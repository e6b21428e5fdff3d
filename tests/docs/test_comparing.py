"""What a page shows is compared with what was printed."""

from __future__ import annotations

import pytest

from tests.docs.support.comparing import json_matches, text_matches
from tests.docs.support.snippets import read_page


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("blue", "blue\n", True),
        ("blue", "blue  \n\n", True),
        ("blue", "bluer\n", False),
        ("blue", "", False),
        ("", "blue\n", False),
        ("took ... ms", "took 7 ms\n", True),
        ("took ... ms", "took 7 s\n", False),
        ("took ... ms", "took 7\nms\n", False),
        ("...\nlast", "one\ntwo\nlast\n", True),
        ("...\nlast", "last\n", True),
        ("...\nlast", "last\nmore\n", False),
        ("first\n...", "first\nmore\n", True),
        ("a.b", "axb\n", False),
    ],
)
def test_text(shown: str, printed: str, *, same: bool) -> None:
    assert text_matches(shown, printed) is same


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ('{"a": 1}', '{"a":1}', True),
        ('{"a": 1}', '{"a":1,"b":2}', False),
        ('{"a": 1, "...": "..."}', '{"a":1,"b":2}', True),
        ('{"a": 1, "...": "..."}', '{"b":2}', False),
        ('{"a": "..."}', '{"a":{"b":[]}}', True),
        ('[1, "..."]', "[1,2,3]", True),
        ('[1, "..."]', "[2]", False),
        ("[1]", "[1,2]", False),
        ('"server:..."', '"server:1"', True),
        ('"server:..."', "1", False),
        ("1", "true", False),
        ("1", "not json", False),
    ],
)
def test_json(shown: str, printed: str, *, same: bool) -> None:
    assert json_matches(shown, printed) is same


@pytest.mark.parametrize("page", ["```\nx\n```\n", "```sh soon\nx\n```\n", "```sh at=10\nx\n```\n", "text\n\n    x\n"])
def test_a_block_that_says_not_what_it_is_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="line"):
        read_page(page)
