"""Typed view of runtime.pyx: what one engine's calls run on; nothing of it is visible from Python."""
