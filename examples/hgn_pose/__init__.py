"""HGN: 3D human pose and coarse body meshes from 2D joints (Li et al., BMVC 2021)."""
