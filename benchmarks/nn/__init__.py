"""Benchmarks of the layers."""
