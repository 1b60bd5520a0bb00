"""What runs the coarsening: one file a backend, which has its name."""
