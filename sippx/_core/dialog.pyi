"""Typed view of dialog.pyx: what a call keeps of its dialog; nothing of it is visible from Python."""
