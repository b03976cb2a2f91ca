"""Typed view of expand.pyx: the expansion of keywords for a call; nothing of it is visible from Python."""
