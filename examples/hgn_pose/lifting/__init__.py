"""From a detector's 2D joints to 3D: read, map, fill, lift, show."""
