"""Files: read without trust, written whole or not at all, found again by a checksum."""
