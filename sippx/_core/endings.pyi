"""Typed view of endings.pyx: how calls end; nothing of it is visible from Python."""
