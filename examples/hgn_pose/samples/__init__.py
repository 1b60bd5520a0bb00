"""From motion to what networks are trained and tested on."""
