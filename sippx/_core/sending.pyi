"""Typed view of sending.pyx: messages of a call; nothing of it is visible from Python."""
