"""What the kernels of all operators share: how they are compiled, launched and known to PyTorch.

The kernels themselves stand beside the operators that launch them; the ``.cuh`` files here are
headers that several of them include.
"""
