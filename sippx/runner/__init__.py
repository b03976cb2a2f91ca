"""Running a test: the composition root, and the only package that touches the engine's objects."""

from sippx.result import Result
from sippx.runner.command import run_command
from sippx.runner.runner import Runner, run

__all__ = ["Result", "Runner", "run", "run_command"]
