"""Typed view of reception.pyx: what arrives on connections; nothing of it is visible from Python."""
