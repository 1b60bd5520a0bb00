"""GLB: a skinned body that moves, for Blender, game engines and the web."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from examples.hgn_pose.lifting.outputs.body_clip import BodyClip
from examples.hgn_pose.lifting.outputs.drawn_body import main_bones
from examples.hgn_pose.lifting.outputs.rig import rig_of
from examples.hgn_pose.lifting.outputs.shading import SKIN, vertex_normals

NEEDED = "needs pygltflib: pip install 'multiscale-gcn[gltf]'"


def glb(clip: BodyClip) -> bytes:
    """Bones, skin and their motion, y up, metres.

    Every vertex goes with the four bones that move it most, as most programs have it. The
    pose-corrective shapes of SMPL are left out.

    Raises
    ------
    ValueError
        If pygltflib is not installed.
    """
    try:
        import pygltflib as gltf
    except ModuleNotFoundError as error:
        raise ValueError(f"a GLB file {NEEDED}") from error
    rig, body = rig_of(clip), clip.body
    count = len(rig.names)
    bones, weights = main_bones(body, np.arange(body.num_vertices))
    normals = vertex_normals(rig.vertices, body.faces)
    file = gltf.GLTF2(asset=gltf.Asset(generator="multiscale-gcn hgn_pose"), scene=0)
    data = bytearray()

    def store(array: np.ndarray, kind: str, target: int | None = None, span: bool = False) -> int:
        """Append an array to the buffer; its accessor's number."""
        start = len(data)
        data.extend(array.tobytes())
        data.extend(bytes(-len(data) % 4))
        file.bufferViews.append(
            gltf.BufferView(buffer=0, byteOffset=start, byteLength=array.nbytes, target=target)
        )
        file.accessors.append(
            gltf.Accessor(
                bufferView=len(file.bufferViews) - 1,
                componentType=_COMPONENTS[array.dtype.str],
                count=array.size if kind == "SCALAR" else len(array),
                type=kind,
                min=_bounds(array.min(axis=0)) if span else None,
                max=_bounds(array.max(axis=0)) if span else None,
            )
        )
        return len(file.accessors) - 1

    vertex, index = gltf.ARRAY_BUFFER, gltf.ELEMENT_ARRAY_BUFFER
    shares = weights.astype("<f4")
    shares[:, 0] += 1 - shares.sum(axis=1)
    attributes = gltf.Attributes(
        POSITION=store(rig.vertices.astype("<f4"), "VEC3", vertex, span=True),
        NORMAL=store(normals.astype("<f4"), "VEC3", vertex),
        JOINTS_0=store(np.where(weights > 0, bones, 0).astype("<u2"), "VEC4", vertex),
        WEIGHTS_0=store(shares, "VEC4", vertex),
    )
    faces = store(body.faces.astype("<u4").ravel(), "SCALAR", index)
    inverse = np.tile(np.eye(4), (count, 1, 1))
    inverse[:, :3, 3] = -rig.heads
    inverse_bind = store(inverse.transpose(0, 2, 1).astype("<f4"), "MAT4")
    red, green, blue = SKIN
    file.materials = [
        gltf.Material(
            pbrMetallicRoughness=gltf.PbrMetallicRoughness(
                baseColorFactor=[red, green, blue, 1.0], metallicFactor=0.0, roughnessFactor=0.8
            )
        )
    ]
    file.meshes = [
        gltf.Mesh(
            name="body",
            primitives=[gltf.Primitive(attributes=attributes, indices=faces, material=0)],
        )
    ]
    file.skins = [
        gltf.Skin(inverseBindMatrices=inverse_bind, joints=list(range(count)), skeleton=0)
    ]
    file.nodes = [
        gltf.Node(
            name=name,
            translation=offset.tolist(),
            children=np.flatnonzero(rig.parents == bone).tolist(),
        )
        for bone, (name, offset) in enumerate(zip(rig.names, rig.offsets, strict=True))
    ]
    file.nodes.append(gltf.Node(name="body", mesh=0, skin=0))
    file.scenes = [gltf.Scene(nodes=[0, count])]
    times = store(clip.seconds.astype("<f4"), "SCALAR", span=True)
    animation = gltf.Animation(name="clip")
    turning = np.flatnonzero(np.abs(clip.poses.rotations).max(axis=(0, 2)) > 0).tolist()
    tracks = [(0, "translation", store(rig.root.astype("<f4"), "VEC3"))]
    for bone in dict.fromkeys([0, *turning]):
        turns = store(_quaternions(rig.turns[:, bone]).astype("<f4"), "VEC4")
        tracks.append((bone, "rotation", turns))
    for bone, path, output in tracks:
        animation.samplers.append(
            gltf.AnimationSampler(input=times, output=output, interpolation="LINEAR")
        )
        target = gltf.AnimationChannelTarget(node=bone, path=path)
        animation.channels.append(
            gltf.AnimationChannel(sampler=len(animation.samplers) - 1, target=target)
        )
    file.animations = [animation]
    file.buffers = [gltf.Buffer(byteLength=len(data))]
    file.set_binary_blob(bytes(data))
    return b"".join(file.save_to_bytes())


_COMPONENTS = {"<u2": 5123, "<u4": 5125, "<f4": 5126}
"""glTF's numbers for types of components."""


def _bounds(values: np.ndarray) -> list[float]:
    return np.atleast_1d(values).astype(float).tolist()


def _quaternions(
    turns: np.ndarray,  # [T, 3, 3]
) -> np.ndarray:  # [T, 4]
    """x, y, z, w; each on the side of the one before it."""
    values = Rotation.from_matrix(turns).as_quat()
    flips = np.where((values[1:] * values[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    values[1:] *= np.cumprod(flips)[:, None]
    return values
