"""What compiled code stands on: threads, ids, the cache of the processor, and a hash."""
