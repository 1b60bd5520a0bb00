"""Learned maps of nodes between scales, all of them at once."""
