"""Typed view of pattern.pyx, which has nothing for Python: regex drives it."""
