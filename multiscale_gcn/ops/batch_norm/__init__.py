"""Batch normalisation in training, with what stands behind it in a block."""
