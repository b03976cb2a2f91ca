"""Typed view of actions.pyx: the actions of a step; nothing of it is visible from Python."""
