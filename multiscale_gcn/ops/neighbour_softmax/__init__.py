"""Softmax of the entries of every row of a sparse matrix."""
