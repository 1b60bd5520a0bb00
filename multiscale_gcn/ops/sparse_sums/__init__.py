"""Sums over the entries of a sparse matrix on CUDA devices, of which operators are made.

Kernels add in a fixed order: results repeat bit for bit.
"""
