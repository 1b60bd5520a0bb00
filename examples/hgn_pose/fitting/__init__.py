"""Fit bodies to 17 joints."""
