"""Non-local attention in its "concatenation" form, without a score for every channel and pair."""
