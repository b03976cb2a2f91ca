"""Typed view of attaching.pyx: which socket a call sends through; nothing of it is visible from Python."""
