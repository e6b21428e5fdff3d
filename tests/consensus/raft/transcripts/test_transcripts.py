from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.consensus.raft.transcripts.play import Play

HERE = Path(__file__).parent


def played(text: str) -> str:
    """The transcript with what the core answers now. Blocks: comments, a command, a line of dashes, the answer."""
    play = Play()
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        kept = [line for line in lines if line.startswith("#")]
        commands = [line for line in lines[len(kept) :] if line.strip()]
        if commands:
            kept += [commands[0], "----", play.play(commands[0])]
        blocks.append("\n".join(kept))
    return "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_the_core_answers_as_the_transcript_says(path: Path) -> None:
    text = path.read_text()
    found = played(text)
    if os.environ.get("REWRITE"):
        path.write_text(found)
    else:
        assert found == text
