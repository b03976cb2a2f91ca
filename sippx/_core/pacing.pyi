"""Typed view of pacing.pyx: when calls start; nothing of it is visible from Python."""
