"""Keys typed one after the other: single-key commands, and the line of a command that begins with `c`."""

from __future__ import annotations

import re

from sippx.control.commands import COMMAND_KEY, COMMAND_OF_KEY, Command, parse_command

LINE_CHARS_MAX = 200
"""Longest command line; further characters are ignored."""

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~])")
"""What arrow and function keys send: never a command, though it has digits and letters in it."""
_ENTER = "\r\n"
_BACKSPACE = "\x7f\b"
_ESCAPE = "\x1b"
_CLEAR = "\x15"


class KeyLine:
    """What has been typed so far. No input or output: `feed` takes characters and gives commands."""

    def __init__(self) -> None:
        self._line: str | None = None

    @property
    def prompt(self) -> str:
        """The command being typed as the terminal shows it, "" when none is."""
        return "" if self._line is None else f"Command: {self._line}"

    def feed(self, text: str) -> list[Command]:
        """The commands that these characters complete, in order; those without a meaning are left out."""
        commands = []
        for char in _SEQUENCE.sub("", text):
            command = self._key(char) if self._line is None else self._edit(self._line, char)
            if command is not None:
                commands.append(command)
        return commands

    def _key(self, char: str) -> Command | None:
        if char == COMMAND_KEY:
            self._line = ""
        return COMMAND_OF_KEY.get(char)

    def _edit(self, line: str, char: str) -> Command | None:
        if char in _ENTER:
            self._line = None
            return parse_command(line) if line.strip() else None
        if char == _ESCAPE:
            self._line = None
        elif char in _BACKSPACE:
            self._line = line[:-1]
        elif char == _CLEAR:
            self._line = ""
        elif char.isprintable() and len(line) < LINE_CHARS_MAX:
            self._line = line + char
        return None
