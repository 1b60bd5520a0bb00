"""Measure networks: predictions, errors, protocols, noise."""
