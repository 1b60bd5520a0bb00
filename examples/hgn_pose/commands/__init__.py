"""The commands of ``python -m examples.hgn_pose``, a module each."""
