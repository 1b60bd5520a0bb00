"""Compact clusters: what the methods that make them, and those that mend them, stand on."""
