"""Make ``data/drawn_body.npz``: the built-in body with few vertices, to draw it fast.

python -m examples.hgn_pose.bake.bake_drawn_body
"""

from __future__ import annotations

import numpy as np

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.files.archives import write_npz
from examples.hgn_pose.lifting.outputs.drawn_body import DRAWN_PATH
from multiscale_gcn import mesh_pyramid

SIZE = 2500


def main() -> None:
    """Take the vertices whose loss moves the surface least away."""
    body = load_body()
    pyramid = mesh_pyramid((body.rest_vertices, body.faces), sizes=[SIZE])
    chosen = pyramid.restriction(0, 1, "sampled").tocsr().indices
    write_npz(
        DRAWN_PATH,
        {"vertices": chosen.astype(np.uint16), "faces": pyramid.faces[1].astype(np.uint16)},
    )
    print(f"wrote {DRAWN_PATH}: {len(chosen)} vertices, {len(pyramid.faces[1])} triangles")


if __name__ == "__main__":
    main()
