"""Networks that lift 2D joints, each under the name ``ARCHITECTURE``: one file a paper."""
