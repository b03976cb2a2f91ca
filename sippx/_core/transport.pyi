"""Typed view of transport.pyx: what carries messages; nothing of it is visible from Python."""
