"""Commands that know their examples and the type of their JSON, on top of click; modules are imported when needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from coterie.app.cli.command_names import COMMANDS
from coterie.app.wire.names import PROGRAM

HELP_OPTIONS = ["-h", "--help"]

_NEGATIVE_NUMBER = re.compile(r"-[0-9.][0-9.,:eE_+-]*")

CONTEXT = {
    "help_option_names": HELP_OPTIONS,
    "max_content_width": 100,
    # The documented options have underscores; who types dashes means the same.
    "token_normalize_func": lambda name: name.replace("-", "_"),
}


class Command(click.Command):
    def __init__(
        self,
        *arguments: Any,
        examples: Sequence[str] = (),
        answer: str | None = None,
        follows: bool = False,
        **options: Any,
    ) -> None:
        """`examples`: command lines. `answer`: the type of what `--json` prints, as `module:Name`. `follows`: one such
        object a line, until it is ended."""
        super().__init__(*arguments, **options)
        self.examples = tuple(examples)
        self.answer = answer
        self.follows = follows

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            rest = super().parse_args(ctx, args)
            self._check_text(ctx)
            return rest
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # so that the error can name the command
            if isinstance(error, click.NoSuchOption) and any(isinstance(each, click.Argument) for each in self.params):
                said = error.format_message().rstrip(".")
                advice = "if it is no option but a value or a key, put -- before KEY and VALUE"
                raise click.NoSuchOption(error.option_name, f"{said}; {advice}", ctx=error.ctx) from None
            raise

    def make_parser(self, ctx: click.Context) -> Any:
        """Numbers are values also where they are negative: no option looks like one."""
        parser: Any = super().make_parser(ctx)
        take_option = parser._process_opts

        def take(text: str, state: Any) -> None:
            if _NEGATIVE_NUMBER.fullmatch(text):
                state.largs.append(text)
            else:
                take_option(text, state)

        parser._process_opts = take
        return parser

    def _check_text(self, ctx: click.Context) -> None:
        """Keys, names and ids are text; what may be any bytes has a type of its own, as files have."""
        for each in self.params:
            if each.type is click.STRING and not ctx.resilient_parsing:
                value = ctx.params.get(each.name or "")
                for text in (value,) if isinstance(value, str) else value or ():
                    if not _is_utf8(text):
                        raise click.BadParameter("must be UTF-8 text", ctx, each)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)

    def answer_type(self) -> Any:
        """The type of what `--json` prints."""
        assert self.answer is not None, f"{self.name} prints no JSON"  # noqa: S101
        module, _, name = self.answer.partition(":")
        return getattr(import_module(module), name)


class CommandGroup(click.Group):
    """Commands of one subject. `default`: the one that is meant where none is named."""

    command_class = Command

    def __init__(self, *arguments: Any, default: str | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.default = default

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """As they were given."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.default is not None and (not args or (args[0].startswith("-") and args[0] not in HELP_OPTIONS)):
            if args or not ctx.resilient_parsing:  # who has typed nothing yet may complete to any
                args = [self.default, *args]
        elif not args and not ctx.resilient_parsing:
            raise click.UsageError(f"say what to do: {', '.join(self.list_commands(ctx))}", ctx)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.default is not None:
            formatter.write_paragraph()
            formatter.write_text(f"Without one of these, {ctx.command_path} is {ctx.command_path} {self.default}.")
        commands = (self.get_command(ctx, name) for name in self.list_commands(ctx))
        _write_examples([line for each in commands if isinstance(each, Command) for line in each.examples], formatter)
        super().format_epilog(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        found = super().shell_complete(ctx, incomplete)
        usual = None if self.default is None else self.get_command(ctx, self.default)
        if usual is not None and incomplete.startswith("-"):
            known = {each.value for each in found}
            found += [each for each in usual.shell_complete(ctx, incomplete) if each.value not in known]
        return found


class Root(click.Group):
    """All commands. A start of a node never comes here; its options are here to be completed."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        named = COMMANDS.get(cmd_name)
        if named is None:
            return None
        found: click.Command = import_module(named.module).command
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        if ctx._protected_args or ctx.args:  # behind a word that is no command
            return []
        if not incomplete.startswith("-"):
            return [
                CompletionItem(name, help=each.about) for name, each in COMMANDS.items() if name.startswith(incomplete)
            ]
        return [
            CompletionItem(option, help=each.help)
            for each in self.params
            if isinstance(each, click.Option)
            for option in (*each.opts, *each.secondary_opts)
            if option.startswith(incomplete)
        ]


root = Root(
    PROGRAM,
    params=[
        click.Option(["-h", "--help"], is_flag=True, help="Prints help information"),
        click.Option(["-V", "--version"], is_flag=True, help="Prints version information"),
        click.Option(["--listen_addr"], help="Socket address to listen on"),
        click.Option(["--public_addr"], help="Public address other nodes should use to reach this node"),
        click.Option(["--node_id"], help="Unique node identifier"),
        click.Option(["--seed"], multiple=True, help="Seed node addresses for cluster discovery"),
        click.Option(["--interval_ms"], help="Gossip interval in milliseconds"),
        click.Option(["--config"], type=click.Path(), help="TOML file with these and all other settings"),
    ],
    add_help_option=False,
    context_settings=CONTEXT,
)


def command(
    name: str, *, examples: Sequence[str] = (), answer: str | None = None, follows: bool = False, **options: Any
) -> Callable[[Callable[..., Any]], Command]:
    """Makes a function a command; its docstring is the help."""
    return click.command(name, cls=Command, examples=examples, answer=answer, follows=follows, **options)


def find(words: Sequence[str]) -> tuple[click.Command, click.Context]:
    """The command that these words name, with its context. Raises click.UsageError."""
    ctx = click.Context(root, info_name=PROGRAM, **CONTEXT)  # type: ignore[arg-type]
    at: click.Command = root
    for word in words:
        below = at.get_command(ctx, word) if isinstance(at, click.Group) else None
        if below is None:
            raise click.UsageError(f"there is no command {' '.join(words)!r}")
        ctx = click.Context(below, info_name=word, parent=ctx)
        at = below
    return at, ctx


def all_commands() -> list[tuple[list[str], click.Command]]:
    """Every command with the words that name it, groups before their own."""
    found: list[tuple[list[str], click.Command]] = []
    for name in COMMANDS:
        top, ctx = find([name])
        found.append(([name], top))
        if isinstance(top, click.Group):
            found += [([name, each], find([name, each])[0]) for each in top.list_commands(ctx)]
    return found


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if not examples:
        return
    with formatter.section("Examples"):
        for line in examples:
            formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes that were none are kept as halves of surrogate pairs
        return False
    return True
