"""Everything that turns the engine's counters and trace records into text: one reporter a file."""
