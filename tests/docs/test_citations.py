"""What cites the specification cites sections and faults that it has, in the forms of `docs/spec/README.md` alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests import ROOT

SPEC = ROOT / "docs" / "spec"
SUFFIXES = {".css", ".js", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
ROOMS = ("app", "configs", "consensus", "docs", "gossip", "tests")
FILES = sorted({*ROOT.glob("*.*"), *(each for room in ROOMS for each in (ROOT / room).rglob("*"))})

FORMS = ("gossip spec", "raft spec", "fault", "promise")

_NUMBERS = r"(?P<numbers>\d+b?\b(?:(?:, and |, | and | to )\d+b?\b)*)"
_CITATION = re.compile(
    rf"\b(?P<form>gossip spec|raft spec|fault(?=s? \d)|promise(?=s? \d))s? {_NUMBERS}", re.IGNORECASE
)
_RANGE = re.compile(r"(\d+) to (\d+)")

_OTHER_FORM = re.compile(
    r"\bspec(?:ification)?(?:'s)?,? (?:sections?|promise|fault)\b|\b(?:consensus|protocol) spec|"
    r"(?<!gossip )(?<!raft )\bspec \d|(?<!RFC \d{4}, )\bsections? \d",
    re.IGNORECASE,
)


def texts() -> Iterator[tuple[str, str]]:
    """Each file's name and text, without line ends, so that a citation may be wrapped."""
    for file in FILES:
        if file.suffix in SUFFIXES and file.is_file() and SPEC not in file.parents:
            yield str(file.relative_to(ROOT)), re.sub(r"\s*\n\s*(?:# ?)?", " ", file.read_text(encoding="utf-8"))


def numbered(name: str) -> list[str]:
    """The sections of a document, in order."""
    return re.findall(r"^## (\d+b?)\. ", (SPEC / name).read_text(), re.MULTILINE)


def faults() -> list[str]:
    """The rows of the table, in order."""
    rows = re.findall(r'^\| <a id="fault-(\d+)"></a>(\d+) \|', (SPEC / "pysyncobj-faults.md").read_text(), re.MULTILINE)
    assert all(anchor == number for anchor, number in rows)
    return [number for _, number in rows]


def promises() -> list[str]:
    section = (SPEC / "raft.md").read_text().partition("## 1. ")[2].partition("\n## ")[0]
    return re.findall(r"^(\d)\. ", section, re.MULTILINE)


THERE = dict(zip(FORMS, (numbered("gossip.md"), numbered("raft.md"), faults(), promises()), strict=True))


def cited(numbers: str) -> set[str]:
    """What "3, 9" and "17 to 19" name."""
    spans = {str(each) for low, high in _RANGE.findall(numbers) for each in range(int(low), int(high) + 1)}
    return spans | set(re.findall(r"\d+b?", numbers))


def test_every_section_and_fault_is_there_once() -> None:
    assert THERE["gossip spec"] == [str(number) for number in range(1, 12)]
    assert THERE["raft spec"] == ["1", "2", "2b", "3", "4"]
    assert THERE["fault"] == [str(number) for number in range(1, 31)]
    assert THERE["promise"] == [str(number) for number in range(1, 7)]


def test_every_citation_names_what_is_there() -> None:
    dead, alive = [], dict.fromkeys(FORMS, 0)
    for name, text in texts():
        for match in _CITATION.finditer(text):
            form = match["form"].lower()
            alive[form] += 1
            dead += [f"{name}: {form} {each}" for each in sorted(cited(match["numbers"]) - set(THERE[form]))]
    assert dead == []
    assert min(alive.values()) > 0, alive


def test_nothing_cites_in_another_form() -> None:
    others = [
        f"{name}: {text[max(0, at.start() - 30) : at.end() + 30]}"
        for name, text in texts()
        for at in _OTHER_FORM.finditer(text)
    ]
    assert others == []
