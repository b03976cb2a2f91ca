"""The built-in scenarios, one XML file each."""
