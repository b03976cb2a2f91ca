"""Typed view of streams.pyx: calls over connections; nothing of it is visible from Python."""
