"""Files, headings and make targets that the pages name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import ROOT
from tests.docs.support.snippets import PAGES

DESIGNS = [page for room in ("app", "consensus", "gossip", "tests") for page in sorted((ROOT / room).rglob("*.md"))]
TEXTS = {page: page.read_text() for page in [*PAGES, *DESIGNS]}
LINKS = sorted(
    {(page, target) for page, text in TEXTS.items() for target in re.findall(r"\]\(((?!https?:)[^)\s]+)\)", text)}
)
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to headings, and those that stand in the text."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    named = re.findall(r'<a id="([^"]+)">', text)
    return {*named, *(re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings)}


@pytest.mark.parametrize(("page", "target"), LINKS, ids=lambda each: str(each).removeprefix(f"{ROOT}/"))
def test_what_is_linked_to_exists(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    linked = (page.parent / path).resolve() if path else page
    assert linked.exists()
    if anchor:
        assert anchor in anchors(linked.read_text())


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_make_target_exists(page: Path) -> None:
    for target in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", TEXTS[page], re.MULTILINE):
        assert target in TARGETS
