"""Typed view of interp.pyx: the scenario interpreter; nothing of it is visible from Python."""
