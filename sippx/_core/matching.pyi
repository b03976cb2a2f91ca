"""Typed view of matching.pyx: which recv takes a message; nothing of it is visible from Python."""
