"""The layer as a matrix product of PyTorch between kernels that mix neighbours."""
