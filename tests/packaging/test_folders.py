"""The house stays readable at one glance: no folder of the product has more than a dozen entries."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_ENTRIES = 12
NOT_SOURCES = {"__init__.py", "__pycache__", "DESIGN.md", "README.md", "py.typed"}


def is_source(entry: Path) -> bool:
    """A folder that has moved away leaves its compiled files behind."""
    files = [entry] if entry.is_file() else entry.rglob("*")
    return entry.name not in NOT_SOURCES and any(it.is_file() and "__pycache__" not in it.parts for it in files)


def test_no_folder_has_more_than_a_dozen_entries() -> None:
    folders = {file.parent for room in ("app", "consensus", "gossip") for file in (ROOT / room).rglob("*.py")}
    sizes = {folder: sum(map(is_source, folder.iterdir())) for folder in folders}
    assert {str(folder.relative_to(ROOT)): size for folder, size in sizes.items() if size > MOST_ENTRIES} == {}
