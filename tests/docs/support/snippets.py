"""The fenced blocks of a page, in order, with what their first line and the comments before them say of them.

```sh                          run by the page's shell, where variables and the directory last from block to block
```sh eventually               run again until it prints the output that is shown
```sh fails                    its last command ends with another code than 0
```sh terminal=NAME            runs beside the page until its end; `"until=TEXT"`: go on once it has printed this
```sh terminals                the same, each line in a terminal of its own
```text output                 what the block before has printed; `output=NAME`: what that terminal has so far
```json output                 the same, compared as JSON
```python                      a program of its own
```toml                        a whole configuration file; `toml part`: lines to add to one
<!-- not run: REASON -->       before a block
<!-- run by: FILE -->          before a block, or on the page's first lines for all of them: what else runs it
<!-- beside: COMMAND | TEXT -->  runs COMMAND as a terminal, where none does, until it has printed TEXT
<!-- end the terminals -->     Ctrl-C in all of them
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from markdown_it import MarkdownIt

from tests import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

LANGUAGES = {"sh", "python", "toml", "json", "yaml", "text"}
WORDS = {"eventually", "fails", "terminals", "output", "part"}
NAMES = {"terminal", "until", "output"}
_COMMENT = re.compile(r"<!-- (not run|run by|beside|end the terminals)(?:: (.*?))? -->", re.DOTALL)


@dataclass(frozen=True)
class Comment:
    """A comment that says something of the snippets."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Snippet:
    """One fenced block."""

    language: str
    text: str
    line: int
    """Where its fence stands, counted from 1."""
    words: frozenset[str]
    values: dict[str, str] = field(default_factory=dict)
    comment: Comment | None = None
    """`not run` or `run by`, where that stands before it."""

    @property
    def is_output(self) -> bool:
        return "output" in self.words or "output" in self.values


def read_page(text: str) -> list[Snippet | Comment]:
    """All blocks, and the comments that stand for themselves. Raises ValueError for what this cannot read."""
    found: list[Snippet | Comment] = []
    mark: Comment | None = None
    for token in MarkdownIt().parse(text):
        line = (token.map or [0])[0] + 1
        if token.type == "html_block" and (match := _COMMENT.match(token.content)):
            comment = Comment(match[1], " ".join((match[2] or "").split()), line)
            if comment.kind in {"not run", "run by"}:
                mark = comment
            else:
                found.append(comment)
            continue
        if token.type == "fence":
            found.append(_snippet(token.info, token.content, line, mark))
        elif token.type == "code_block":
            raise ValueError(f"line {line}: an indented block; fence it, and name its language")
        mark = None
    return found


def page_runs_elsewhere(text: str) -> str | None:
    """The file that runs all snippets of a page, where its first lines name one."""
    match = re.search(r"^<!-- run by: (\S+) -->$", "\n".join(text.splitlines()[:5]), re.MULTILINE)
    return match[1] if match else None


def _snippet(info: str, text: str, line: int, mark: Comment | None) -> Snippet:
    language, *rest = shlex.split(info) or [""]
    if language not in LANGUAGES:
        raise ValueError(f"line {line}: {language!r} is none of {', '.join(sorted(LANGUAGES))}")
    words = frozenset(each for each in rest if "=" not in each)
    values = dict(each.split("=", 1) for each in rest if "=" in each)
    if strange := [*(words - WORDS), *(set(values) - NAMES)]:
        raise ValueError(f"line {line}: nobody knows what {', '.join(strange)} means")
    return Snippet(language, text, line, words, values, mark)
