"""Typed view of figures.pyx: the layout of the counters; Engine.layout() shows it to Python."""
