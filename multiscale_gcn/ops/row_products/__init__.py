"""Products over rows: the gradients of linear maps."""
