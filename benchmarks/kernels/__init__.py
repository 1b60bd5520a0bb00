"""Benchmarks of the CuPy kernels."""
