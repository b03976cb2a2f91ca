"""Typed view of loop.pyx: the event loop; nothing of it is visible from Python."""
