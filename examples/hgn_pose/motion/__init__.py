"""Motion as 17 joints over time, and the cameras that see it."""
