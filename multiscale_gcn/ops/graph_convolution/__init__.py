"""Graph convolution: features times a weight matrix, mixed between neighbours."""
