"""Scripts that made the files in ``data``; they need packages that nothing else needs."""
