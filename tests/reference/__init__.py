"""Slow Python twins of the fast code: oracles for the tests, never used by the product."""
