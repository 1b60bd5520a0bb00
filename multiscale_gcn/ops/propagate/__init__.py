"""Product of a sparse matrix with the features of a batch of graphs."""
