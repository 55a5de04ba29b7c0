"""The command line as Markdown, from the parser itself.

Not from the text of --help: that differs between versions of Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from tests.pages import block, join, table
from webhook.arguments import parser


def command_line() -> str:
    """The page of all commands."""
    return join("# The command line", *_command(parser()))


def _command(command: argparse.ArgumentParser) -> Iterator[str]:
    """A command, what it takes, and the commands below it."""
    if command.prog != "sallyport":
        yield f"## {command.prog}"
    yield block("text", (command.description or "").strip())
    rows = [(_spell(action), action.help or "") for action in _taken(command)]
    if rows:
        yield table(("argument", "meaning"), rows)
    if command.epilog:
        yield block("text", command.epilog.strip())
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _command(below)


def _taken(command: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a command, without --help and without the commands below it."""
    apart = (argparse._SubParsersAction, argparse._HelpAction)
    return [action for action in command._actions if not isinstance(action, apart)]


def _spell(action: argparse.Action) -> str:
    """`-n`, `--namespace NS`: how it is written."""
    value = ""
    if action.nargs != 0:
        value = str(
            action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
        )
        value += "..." if action.nargs in {"+", "*"} else ""
    if not action.option_strings:
        return f"`{value}`"
    *others, last = action.option_strings
    return ", ".join([*(f"`{name}`" for name in others), f"`{last} {value}".rstrip() + "`"])
