"""The readers of data sets, one file each, with a ``DATA_SET`` that says what it reads."""
