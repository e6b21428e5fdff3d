"""What holds for every command: help, examples that can be typed, schemas, spelling, errors, and quick starts."""

from __future__ import annotations

import shlex
import subprocess
import sys

import click
import jsonschema  # type: ignore[import-untyped]
import pytest

from coterie.app.cli.command_line import HELP, bare_help
from coterie.app.cli.command_names import COMMANDS
from coterie.app.cli.framework.command import Command, all_commands, root
from coterie.app.cli.local.reference import pages
from coterie.app.cli.local.schema import schema_of, speaking_commands
from coterie.app.cli.terminal.exits import Exit
from coterie.app.main import main
from tests import ROOT
from tests.app.processes import environment

EVERY = all_commands()
NAMES = [" ".join(words) for words, _ in EVERY]


@pytest.mark.parametrize(("words", "command"), EVERY, ids=NAMES)
def test_every_command_has_help_with_examples(
    words: list[str], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: coterie {' '.join(words)}")
    assert "Examples:" in said
    assert "--help" in said
    for option in (each for each in command.params if isinstance(each, click.Option)):
        assert option.help, f"{words} {option.opts}"
    assert main(["help", *words]) == 0
    assert capsys.readouterr().out == said


EXAMPLES = [(words, line) for words, each in EVERY if isinstance(each, Command) for line in each.examples]


@pytest.mark.parametrize(("words", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_every_example_can_be_typed(words: list[str], line: str) -> None:
    """Up to where a shell takes over: a pipe, a redirection, a comment, the end of a substitution."""
    own = next(part for part in line.removeprefix('eval "$(').replace(')"', " # ").split(" | ") if "coterie" in part)
    typed = shlex.split(own.replace("$(date +%F)", "today"), comments=True)
    end = next((at for at, word in enumerate(typed) if word in {">", "<", "&&", "||"}), len(typed))
    program, *arguments = typed[:end]
    assert program == "coterie"
    assert arguments[: len(words)] == words or arguments[0] == words[0]
    ctx: click.Context = root.make_context("coterie", arguments)
    while isinstance(ctx.command, click.Group):
        name, found, rest = ctx.command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert found is not None
        ctx = found.make_context(name, rest, parent=ctx)
    assert isinstance(ctx.command, Command)


@pytest.mark.parametrize(("words", "command"), speaking_commands(), ids=[" ".join(w) for w, _ in speaking_commands()])
def test_every_answer_has_a_schema(words: list[str], command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(command))
    assert any("--json" in each.opts for each in command.params), words
    assert main(["schema", *words]) == 0
    assert '"$schema"' in capsys.readouterr().out


def test_the_bare_help_lists_every_command() -> None:
    tail = bare_help().partition("COMMANDS")[2]
    assert [line.split()[0] for line in tail.splitlines()[1:]] == list(COMMANDS)
    assert bare_help().startswith(HELP.partition("USAGE")[0].format(program="coterie", version="0.1.0")[:10])


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("token", "coterie: token: say what to do: new, create, list, "),
        ("token nwe", "coterie: token: No such command 'nwe'. Did you mean 'new'? see coterie token --help"),
        ("token new --idd x", "coterie: token new: No such option '--idd'. Did you mean '--id'?"),
        ("token new --id", "coterie: token new: Option '--id' requires an argument"),
        ("token new --id -x", "must be 1 to 64 letters"),
        ("completion", "coterie: completion: Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish; see "),
        ("completion tcsh", "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        ("help weather", "coterie: help: there is no command 'weather'; see coterie help --help"),
        ("schema completion bash", "there is no command 'completion bash'"),
        ("schema completion", "coterie: schema: completion prints no JSON"),
        ("recovr", "coterie: unexpected argument 'recovr'; did you mean coterie recover?"),
    ],
)
def test_what_is_not_understood_is_named(typed: str, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == Exit.WRONG_USAGE
    said = capsys.readouterr()
    assert problem in said.err
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_with_json_an_error_is_an_object_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", "--data_dir", "/no/such", "--json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        '{"error":{"code":"failed","message":"--data_dir /no/such: there is no such directory","parameter":null,'
        '"exit_code":1}}\n'
    )


def test_options_may_be_typed_with_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", "--data-dir", "/no/such"]) == 1
    assert "--data_dir /no/such: there is no such directory" in capsys.readouterr().err


def test_the_reference_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == "".join(pages()), (
        "it is old: python -m coterie.app.cli.local.reference > docs/cli.md"
    )


def test_exit_codes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "exit-codes"]) == 0
    said = capsys.readouterr().out
    assert all(f"{int(each)}  {each.about}" in said for each in Exit)


def _modules(statement: str) -> set[str]:
    """What is imported once the statement has run in a fresh interpreter."""
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statement}\nprint(*sys.modules, sep='\\n')"],
        env=environment({}) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ran.stdout.splitlines())


def test_a_node_starts_without_what_the_commands_need() -> None:
    until_settings = _modules("from coterie.app.main import main; main(['--interval_ms', '0'])")
    assert "coterie.app.settings.loading" in until_settings
    assert not {"rich", "coterie.app.cli.framework.command", "coterie.app.client"} & until_settings
    early = _modules("from coterie.app.main import main; main(['no_such'])")
    assert not {"click", "rich", "pydantic", "structlog"} & early


def test_help_of_a_command_needs_no_node_and_no_client() -> None:
    modules = _modules("from coterie.app.main import main; main(['token', 'new', '--help'])")
    assert not {"fastapi", "uvicorn", "pydantic", "httpx", "rich", "pysyncobj"} & modules
