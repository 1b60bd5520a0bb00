"""Arrays of graphs and kernels on a CUDA device. Its modules are imported only to use one."""
