"""Typed view of intake.pyx: messages that came and the calls they belong to; nothing of it is visible from Python."""
