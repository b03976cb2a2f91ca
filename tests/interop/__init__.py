"""Tests against other people's tools: the real sipp and tshark."""
