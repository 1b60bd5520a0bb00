"""A linear map with a batch normalisation of known statistics behind it, and a sum."""
