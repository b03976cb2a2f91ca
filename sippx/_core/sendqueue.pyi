"""Typed view of sendqueue.pyx: messages on their way out; nothing of it is visible from Python."""
