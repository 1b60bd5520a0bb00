"""Clips as clips: 2D joints that jump are repaired, poses smoothed, limbs of one length."""
