"""The command line beside the documented one: `coterie status`, `coterie kv get`, and so on.

How a command is added:

1. A module in the room of its subject, with a click command that is called `command`, made by
   `framework.command.command` or, for one with commands of its own, `framework.command.Group`. Its docstring is what
   `--help` says, `examples` are command lines that hold (a test parses them), `answer` names the type of what `--json`
   prints (a msgspec struct, as `module:Name`), `follows` says that it prints one such object a line. Heavy things are
   imported where they are used.
2. A line in `command_names.COMMANDS`, from which the bare command line's help, completion and docs/cli.md are made.
3. Options (`framework/options.py`): `online` for what asks a node (the function gets a `Session`), `offline` for what
   does not (it gets an `Output`), `yes` for what is dangerous, with `Output.make_sure`.
4. Output: on `--json` exactly one `Output.document` (or an `Output.line` each); else `Output.table`, `Output.pairs`,
   `Output.say`. What other hosts chose as text goes through these, for they show control characters by their codes.
5. Errors: those of the client end the command by themselves, with their exit code (`terminal/failures.py`). A command
   raises a `CommandError`, or `click.UsageError` for what was typed. They name the option and the fix.
6. `python -m coterie.app.cli.local.reference > docs/cli.md`, and a test with a real node whose `--json` output is held
   to its schema.

Nothing of this is imported when a node starts: `app/main.py` knows the names alone.
"""
