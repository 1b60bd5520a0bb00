"""Predictions in the files of other tools: BVH, GLB, TRC, CSV, SMPL's parameters, MP4 and GIF."""
