"""Every snippet of the README and of `docs/` runs as it is written, and prints what is shown behind it."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ROOT
from tests.docs.support.checkout import Checkout, NoOwnAddressError
from tests.docs.support.comparing import json_matches, text_matches
from tests.docs.support.shell import POLL_SECONDS, Shell, SnippetError
from tests.docs.support.snippets import PAGES, Comment, Snippet, page_runs_elsewhere, read_page
from tests.slow import some_quick
from tests.waiting import PATIENCE_SECONDS

MOST_NOT_RUN = 6
"""Of all pages: what does not run may not be right."""

PROGRAMS = ("bash", "curl", "jq", "make", "pgrep", "ps")

RUN_HERE = [page for page in PAGES if not page_runs_elsewhere(page.read_text())]
BLOCKS = {page: read_page(page.read_text()) for page in RUN_HERE}
WITH_SNIPPETS = [page for page, blocks in BLOCKS.items() if blocks]

SHARING = [ROOT / "docs" / f"{name}.md" for name in ("http", "client", "embedding", "security")]
"""These leave the cluster of `make demo` as the next one needs it: they run on one, in this order; it costs most."""

RUNS = [SHARING, *([page] for page in WITH_SNIPPETS if page not in SHARING)]
RUNS.sort(key=lambda pages: pages != [ROOT / "README.md"])


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.cluster
@pytest.mark.timeout(900)
@pytest.mark.parametrize("pages", some_quick(RUNS, 1), ids=lambda pages: " ".join(map(name_of, pages)))
def test_the_snippets_run(pages: list[Path], tmp_path: Path) -> None:
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"the pages use {', '.join(missing)}")
    try:
        checkout = Checkout(tmp_path)
    except NoOwnAddressError as error:
        pytest.skip(f"only Linux has all of 127/8 as loopback addresses: {error}")
    with Shell(checkout) as shell:
        for page in pages:
            Run(page, checkout, shell).run()


def test_few_snippets_do_not_run() -> None:
    marks = [block.comment for blocks in BLOCKS.values() for block in blocks if isinstance(block, Snippet)]
    not_run = [mark.text for mark in marks if mark is not None and mark.kind == "not run"]
    assert all(len(reason) > 10 for reason in not_run), "a reason, please"
    assert len(not_run) <= MOST_NOT_RUN


def test_what_runs_snippets_elsewhere_is_there() -> None:
    marks = [block.comment for blocks in BLOCKS.values() for block in blocks if isinstance(block, Snippet)]
    named = [mark.text for mark in marks if mark is not None and mark.kind == "run by"]
    named += [file for page in PAGES if (file := page_runs_elsewhere(page.read_text()))]
    for file in named:
        assert (ROOT / file).is_file(), file


class Run:
    """One page, from top to bottom."""

    def __init__(self, page: Path, checkout: Checkout, shell: Shell) -> None:
        self._page = page
        self._checkout = checkout
        self._shell = shell
        self._files = 0

    def run(self) -> None:
        blocks = BLOCKS[self._page]
        for place, block in enumerate(blocks):
            behind = blocks[place + 1] if place + 1 < len(blocks) else None
            shown = behind if isinstance(behind, Snippet) and "output" in behind.words else None
            try:
                self._take(block, shown)
            except (SnippetError, ValueError) as error:
                raise SnippetError(f"{name_of(self._page)}, line {block.line}: {error}") from None

    def _take(self, block: Snippet | Comment, shown: Snippet | None) -> None:
        match block:
            case Comment(kind="beside", text=text):
                command, _, until = text.rpartition(" | ")
                if not self._shell.runs(command):
                    self._shell.start(command, command, until)
            case Comment():
                self._shell.end_terminals()
            case Snippet(comment=Comment()) | Snippet(language="text", values={}):
                pass
            case Snippet(values={"output": name}):
                if not self._shell.wait_for(name, lambda printed: matches(block, printed)):
                    raise SnippetError(f"the terminal {name!r} shows\n{self._shell.terminal(name)}")
            case Snippet(language="sh"):
                self._run_sh(block, shown)
            case Snippet(language="python"):
                self._expect(shown, self._shell.run(f"python {shlex.quote(str(self._write(block.text, 'py')))}"))
            case Snippet(language="toml"):
                self._check_settings(block)
            case Snippet(language="json") if not block.is_output:
                json.loads(block.text)
            case Snippet(language="yaml"):
                pytest.importorskip("yaml").safe_load(block.text)

    def _run_sh(self, block: Snippet, shown: Snippet | None) -> None:
        until = block.values.get("until", "")
        if "terminals" in block.words:
            for line in block.text.splitlines():
                self._shell.start(line, line, until)
        elif "terminal" in block.values:
            self._shell.start(block.values["terminal"], block.text, until)
        elif "eventually" in block.words:
            assert shown is not None, "what it is to print must stand behind it"
            self._repeat(shown, lambda: self._shell.run(block.text, fails=None))
        else:
            self._expect(shown, self._shell.run(block.text, fails="fails" in block.words))

    def _repeat(self, shown: Snippet, run: Callable[[], str]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not matches(shown, printed := run()):
            if time.monotonic() > deadline:
                self._expect(shown, printed)
            time.sleep(POLL_SECONDS)

    def _expect(self, shown: Snippet | None, printed: str) -> None:
        if shown is not None and not matches(shown, printed):
            raise SnippetError(f"this was printed:\n{printed}\nand this is shown:\n{shown.text}")

    def _check_settings(self, block: Snippet) -> None:
        text = block.text
        if "part" in block.words:
            text = laid_over((ROOT / "configs" / "three-nodes" / "node1.toml").read_text(), text)
        file = self._write(text, "toml")
        self._shell.run(f"coterie check-config --quiet --config {shlex.quote(str(file))}")

    def _write(self, text: str, ending: str) -> Path:
        self._files += 1
        file = self._checkout.directory / f"snippet-{self._files}.{ending}"
        file.write_text(self._checkout.here(text), encoding="utf-8")
        return file


def laid_over(base: str, part: str) -> str:
    """The settings of `part`, and those of `base` that it does not bring: TOML has each table and name once."""
    top, *tables = base.replace("\n[", "\n\0[").split("\0")
    brought = {line.split("=")[0].strip() for line in part.splitlines()}
    kept = [line for line in top.splitlines() if line.split("=")[0].strip() not in brought]
    return "\n".join([*kept, part, *(table for table in tables if table.splitlines()[0] not in brought)])


def matches(shown: Snippet, printed: str) -> bool:
    return (json_matches if shown.language == "json" else text_matches)(shown.text, printed)
