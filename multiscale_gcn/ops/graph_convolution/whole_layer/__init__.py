"""The whole layer in one kernel, and all its gradients in another, for small graphs."""
