"""Typed view of dial.pyx: outgoing sockets; nothing of it is visible from Python."""
