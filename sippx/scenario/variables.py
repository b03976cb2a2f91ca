"""Variables of one scenario: declared, mentioned in document order, checked at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from sippx.scenario.model import Variable, VariableScope
from sippx.scenario.names import nearest_hint
from sippx.scenario.source import Source

MAX_VARIABLES = 2000
UNUSED = "_"
"""The name that may stand alone: for what nobody reads."""
SCOPES: tuple[VariableScope, ...] = ("call", "user", "global")
"""Order of look-up and of numbering."""


@dataclass(slots=True)
class _Use:
    """Number of mentions of a variable, and where the first of them stands."""

    offset: int
    mentions: int = 0


@dataclass(slots=True)
class VariableTable:
    """All variables of a scenario. Offsets are places in the source; warn takes remarks by offset.

    A name is looked up among call, user and global variables, in this order; a name that is in none of them
    becomes a call variable at its first mention, and hides whatever is declared below.
    """

    source: Source
    warn: Callable[[int, str], None]
    uses: dict[Variable, _Use] = field(default_factory=dict)

    def declare(self, scope: VariableScope, names: str, offset: int) -> None:
        """<Global> and <User>: names separated by commas."""
        for name in self.split(names, offset):
            hiding = self.find(name)
            if hiding is not None and SCOPES.index(hiding.scope) < SCOPES.index(scope):
                self.warn(offset, f"the {scope} variable '{name}' is hidden by a {hiding.scope} variable used above")
            self._count(Variable(name, scope), offset)

    def mention(self, name: str, offset: int) -> Variable:
        """The variable that a name stands for at this place of the document."""
        name = name.strip()
        if not name or "$" in name or "," in name:
            self._fail(offset, f"'{name}' is no name of a variable: it may be neither empty nor contain '$' or ','")
        variable = self.find(name) or Variable(name)
        self._count(variable, offset)
        return variable

    def mention_all(self, names: str, offset: int) -> tuple[Variable, ...]:
        """Variables of a list separated by commas."""
        return tuple(self.mention(name, offset) for name in self.split(names, offset))

    def reference(self, names: str, offset: int) -> None:
        """<Reference>: one more mention of each name, all of them known."""
        for name in self.split(names, offset):
            variable = self.find(name)
            if variable is None:
                hint = nearest_hint(name, (known.name for known in self.uses))
                self._fail(offset, f"<Reference> to the variable '{name}', which nothing above mentions{hint}")
            self._count(variable, offset)

    def find(self, name: str) -> Variable | None:
        """The variable of this name so far, None if there is none."""
        return next((v for v in (Variable(name, scope) for scope in SCOPES) if v in self.uses), None)

    def split(self, names: str, offset: int) -> list[str]:
        """Names of a list separated by commas, without blanks around them."""
        parts = [name.strip() for name in names.split(",")]
        for name in parts:
            if not name or "$" in name:
                self._fail(offset, f'"{names}" is no list of variable names separated by commas')
        return parts

    def finish(self) -> tuple[Variable, ...]:
        """All variables in the order of their numbers; raises for one that is mentioned only once."""
        for variable, use in self.uses.items():
            if use.mentions < 2 and variable.name != UNUSED:
                hint = nearest_hint(variable.name, {other.name for other in self.uses} - {variable.name})
                self._fail(
                    use.offset,
                    f"the {variable.scope} variable '{variable.name}' is mentioned only once, so it has no effect"
                    f"{hint or '; name it _ or list it in <Reference variables>'}",
                )
        return tuple(variable for scope in SCOPES for variable in self.uses if variable.scope == scope)

    def _count(self, variable: Variable, offset: int) -> None:
        if variable not in self.uses and len(self.uses) >= MAX_VARIABLES:
            self._fail(offset, f"more than {MAX_VARIABLES} variables")
        self.uses.setdefault(variable, _Use(offset)).mentions += 1

    def _fail(self, offset: int, message: str) -> NoReturn:
        raise self.source.error(offset, message)
