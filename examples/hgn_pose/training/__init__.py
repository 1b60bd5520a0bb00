"""Train networks, and the baselines that they must beat."""
