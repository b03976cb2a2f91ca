"""Typed view of connections.pyx: the table of connections; connectiontable shows it to Python."""
