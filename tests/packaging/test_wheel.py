"""The wheel in a project of somebody else's, which has an `app/` package and a `gossip.py` of its own.

Needs no network: the wheel is built from the checkout by the environment's hatchling, and what it depends on is the
environment's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from tests import ROOT
from tests.app.processes import environment, running
from tests.waiting import PATIENCE_SECONDS

VERSION = version("coterie")

PROGRAM = """
import asyncio
import sys
import tempfile
from pathlib import Path

import app
import gossip
from coterie import Client, Member, MemberConfig, open_member_directory

assert app.WHOSE == gossip.WHOSE == "the project's"


async def use_the_client(address: str) -> None:
    async with Client(address) as client:
        await client.kv.put("role", "tester")
        entry = await client.kv.get("role")
        assert entry is not None
        print("the node keeps", entry.value)


async def embed_a_member(directory: Path) -> None:
    store = open_member_directory(directory)
    store.identity.join_cluster("example")
    founders = (store.identity.member_id.hex,)
    async with Member(store, "example", founders, lambda _: None, MemberConfig(secret=b"shared")) as member:
        await member.start("127.0.0.1", 0)
        await member.metadata.put(b"jobs/7", b"ready", expect=0)
        answer = await member.metadata.get(b"jobs/7")
        assert answer.value is not None
        print("the member holds", answer.value.value)


async def main() -> None:
    await use_the_client(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        await embed_a_member(Path(directory) / "member")


asyncio.run(main())
"""

WRONG = """
from coterie import Client, GossipConfig, MemberConfig, NoSuchName

Client(1)
GossipConfig(gossip_interval="often")
MemberConfig(secret="text")


async def revision_of(client: Client) -> str:
    return (await client.metadata.put(b"k", b"v")).revision
"""
"""One error in each line but the empty and the `async def`."""


@dataclass(frozen=True)
class Project:
    """A folder with the project's code, and an environment of its own that has the wheel."""

    folder: Path
    python: Path
    wheel: Path

    def run(self, *command: str | Path) -> str:
        """What it printed."""
        done = subprocess.run(
            command, cwd=self.folder, env=clean(), capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def clean() -> dict[str, str]:
    """No path to the checkout but through the wheel."""
    return {name: value for name, value in environment({}).items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = tmp_path_factory.mktemp("project")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(made / "dist")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (made / "dist").glob("*.whl")
    venv.create(made / "venv", symlinks=True)
    python = made / "venv" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    installed = subprocess.run(
        [uv, "pip", "install", "--offline", "--no-deps", "--python", python, wheel], capture_output=True, text=True
    )
    assert installed.returncode == 0, installed.stderr
    site = Path(sysconfig.get_path("purelib", vars={"base": str(made / "venv")}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    folder = made / "code"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "__init__.py").write_text('WHOSE = "the project\'s"\n')
    (folder / "gossip.py").write_text('WHOSE = "the project\'s"\n')
    (folder / "program.py").write_text(PROGRAM)
    (folder / "wrong.py").write_text(WRONG)
    return Project(folder, python, wheel)


def test_it_holds_nothing_outside_its_one_package(project: Project) -> None:
    names = zipfile.ZipFile(project.wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"coterie", f"coterie-{VERSION}.dist-info"}
    assert "coterie/py.typed" in names
    rooms = [ROOT / name for name in ("app", "consensus", "gossip")]
    modules = {f"coterie/{path.relative_to(ROOT)}" for room in rooms for path in room.rglob("*.py")}
    own = {"coterie/__init__.py", "coterie/__main__.py"}
    assert {name for name in names if name.endswith((".py", ".pyc"))} == modules | own


def test_it_is_the_one_that_is_imported(project: Project) -> None:
    where = project.run(project.python, "-c", "import coterie; print(coterie.__file__)").strip()
    assert Path(where).is_relative_to(project.python.parents[1])


@pytest.mark.parametrize("command", [("python", "-m", "coterie"), ("coterie",)], ids=" ".join)
def test_its_command_runs(project: Project, command: tuple[str, ...]) -> None:
    program = project.python.with_name(command[0])
    assert project.run(program, *command[1:], "--version") == f"coterie {VERSION}\n"


@pytest.mark.cluster
def test_a_program_uses_the_client_and_embeds_a_member(project: Project) -> None:
    command = (str(project.python), "-m", "coterie")
    with running(command=command, directory=project.folder) as node:
        said = project.run(project.python, "program.py", "{}:{}".format(*node.address))
        assert said == "the node keeps tester\nthe member holds b'ready'\n"
        assert node.end() == 0


def mypy(project: Project, file: str) -> list[str]:
    """Its errors."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--python-executable",
        project.python,
    ]
    done = subprocess.run(
        [*command, "--cache-dir", project.folder / ".mypy_cache", file],
        cwd=project.folder,
        env=clean() | {"MYPYPATH": os.pathsep},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return str(done.stdout).splitlines()


@pytest.mark.slow
def test_a_type_checker_sees_its_types(project: Project) -> None:
    assert mypy(project, "program.py") == []
    errors = [error for error in mypy(project, "wrong.py") if ": error: " in error]
    wrong_lines = [at for at, line in enumerate(WRONG.splitlines(), 1) if line and not line.startswith("async def")]
    assert [int(error.split(":")[1]) for error in errors] == wrong_lines, errors
