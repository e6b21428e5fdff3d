"""What a command that asks a node works with: its output, and a client by options, environment and client file."""

from __future__ import annotations

import asyncio
import re
import select
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from coterie.app.cli.terminal.exits import Exit
from coterie.app.cli.terminal.failures import CommandError
from coterie.app.cli.terminal.output import Output

if TYPE_CHECKING:  # it takes a while, and help needs none of it
    from coterie.app.client import Client
    from coterie.app.client.settings import ClientSettings

T = TypeVar("T")

_FIRST_WORD = re.compile(r"\w+")


GONE_SECONDS = 0.5
"""How often it is looked whether anybody still reads."""


async def _reader_gone() -> None:
    """A pipe is found broken only by the next write, which may be far off. Raises BrokenPipeError."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)  # errors alone
    except (AttributeError, OSError, ValueError):  # no such call here, or no file
        await asyncio.Event().wait()
    while not poll.poll(0):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(GONE_SECONDS)
    raise BrokenPipeError


@dataclass
class Session:
    out: Output
    given: Mapping[str, Any]
    """Options of `ClientSettings`; None: not given."""

    @cached_property
    def settings(self) -> ClientSettings:
        """Raises CommandError."""
        from coterie.app.client import ClientError  # noqa: PLC0415
        from coterie.app.client.settings import load_client_settings  # noqa: PLC0415

        try:
            return load_client_settings(**self.given)
        except ClientError as error:
            raise self._wrong(error) from None

    @property
    def node(self) -> str:
        """The address of the node that is meant where one very node is."""
        return self.settings.address[0]

    def client(self, *, patient: bool = False, **options: Any) -> Client:
        """To be used with `async with`. `patient`: nodes that cannot be reached are waited for; else each is tried
        once. `options`: in place of settings. Raises CommandError."""
        from coterie.app.client import Client, ClientError, ClientLimits  # noqa: PLC0415

        settings = self.settings.model_copy(update=options) if options else self.settings
        try:
            return Client.from_settings(settings, limits=ClientLimits(unreachable_rounds=0 if patient else 1))
        except ClientError as error:
            raise self._wrong(error) from None

    def run(
        self, work: Callable[[Client], Coroutine[Any, Any, T]], *, at_least: float = 0.0, patient: bool = False
    ) -> T:
        """What `work` comes to. `at_least`: seconds for what takes longer than other calls, unless --timeout is given.
        `patient`: as for `client`.

        Raises CommandError, and what the client raises.
        """

        async def working() -> T:
            longer = self.given.get("timeout") is None and self.settings.timeout < at_least
            async with self.client(patient=patient, **({"timeout": at_least} if longer else {})) as client:
                return await work(client)

        try:
            return asyncio.run(working())
        except KeyboardInterrupt:
            if sys.stderr.isatty():
                sys.stderr.write("\n")  # behind the terminal's ^C
            raise click.exceptions.Exit(Exit.INTERRUPTED) from None

    def follow(self, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
        """As `run`, of what prints for ever: until whoever reads it has gone. Raises BrokenPipeError too."""

        from coterie.app.client.transport.streams import end_tasks  # noqa: PLC0415

        async def following(client: Client) -> None:
            tasks = asyncio.create_task(work(client)), asyncio.create_task(_reader_gone())
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end_tasks(*tasks)
            for task in tasks:
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error

        self.run(following, patient=True)

    def _wrong(self, error: Exception) -> CommandError:
        """Options are named as they were typed."""
        lines = str(error).splitlines()
        names = [found[0] if (found := _FIRST_WORD.match(line)) else "" for line in lines]
        typed = [self.given.get(name) is not None for name in names]
        shown = (f"--{line}" if is_option else line for line, is_option in zip(lines, typed, strict=True))
        first = next((name for name, is_option in zip(names, typed, strict=True) if is_option), None)
        return CommandError("\n".join(shown), Exit.WRONG_USAGE, code="wrong_settings", parameter=first)
