"""A network with all that goes before and behind it, in one file that needs nothing of this.

The file takes joints in pixels. Framing, test-time flip and the pelvis at the origin are in it.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

from examples.hgn_pose.body.skeleton import EDGES, FLIP, JOINTS
from examples.hgn_pose.files.writing import write_bytes
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.mapping import Trunk
from examples.hgn_pose.lifting.onnx_models import onnx_model, quiet_exporters, session_of
from examples.hgn_pose.motion.studio import FOCAL
from examples.hgn_pose.samples.batches import mirrored
from multiscale_gcn import __version__
from multiscale_gcn.nn import Folded

ENDINGS = (".onnx", ".pt2")
NEEDED_FOR_ONNX = ("onnx", "onnxscript")
METADATA = "hgn_pose.json"
"""Name of the facts within a .pt2 file, and the key of them all in a .onnx file."""


class Portable(nn.Module):
    """From joints in pixels to a pose and coarse meshes in metres, as ``predict`` lifts them.

    Parameters
    ----------
    lifter : Lifter
        On the CPU.
    flip : bool
        Ask for the mirrored joints too, and average.
    """

    flips: tuple[Tensor, ...]
    bones_from: Tensor
    bones_to: Tensor
    stand: Tensor

    def __init__(self, lifter: Lifter, *, flip: bool) -> None:
        super().__init__()
        self.model: nn.Module = lifter.model
        self.flip, self.facing = flip, lifter.facing
        self.window, trunk = lifter.window, lifter.trunk
        self._frames_by(trunk)
        levels = [lifter.hierarchy.level(size) for size in lifter.mesh_sizes]
        sides = [FLIP, *(level.constraints.symmetry for level in levels)]
        self.names = ["pose", *(f"mesh_{size}" for size in lifter.mesh_sizes)]
        for place, side in enumerate(sides):
            self.register_buffer(f"flip_{place}", torch.tensor(side))

    def _frames_by(self, trunk: Trunk) -> None:
        ends = torch.tensor(EDGES)
        self.register_buffer("bones_from", ends[:, 0])
        self.register_buffer("bones_to", ends[:, 1])
        self.register_buffer("stand", torch.tensor([0.0, trunk.pelvis]))
        self.bones = trunk.bones

    def forward(
        self,
        joints: Tensor,  # [B, 17, 2] or [B, T, 17, 2] pixels
        camera: Tensor | None = None,  # [B, 4] focal lengths and centre, pixels
    ) -> tuple[Tensor, ...]:  # [B, 17, 3], each [B, N, 3] metres
        image = self._framed(joints) if camera is None else self._slopes(joints, camera)
        people = image.shape[0]
        if self.flip:
            image = torch.cat([image, mirrored(image, self.get_buffer("flip_0"))])
        answers = list(self.model(image))[: len(self.names)]
        if self.flip:
            answers = [
                (both[:people] + mirrored(both[people:], self.get_buffer(f"flip_{place}"))) / 2
                for place, both in enumerate(answers)
            ]
        pelvis = answers[0][:, :1]
        return tuple(answer - pelvis for answer in answers)

    def _slopes(self, joints: Tensor, camera: Tensor) -> Tensor:
        focal, centre = camera[:, None, :2], camera[:, None, 2:]
        if joints.dim() == 4:
            focal, centre = focal[:, None], centre[:, None]
        return FOCAL * (joints - centre) / focal

    def _framed(self, joints: Tensor) -> Tensor:
        """As ``frame_clips`` frames a person: by the frame in the middle."""
        middle = joints if joints.dim() == 3 else joints[:, self.window // 2]
        ends = [middle.index_select(1, end) for end in (self.bones_from, self.bones_to)]
        length = (ends[0] - ends[1]).square().sum(2).sqrt().sum(1)
        pelvis, scale = middle[:, :1], (self.bones / length)[:, None, None]
        if joints.dim() == 4:
            pelvis, scale = pelvis[:, None], scale[:, None]
        return (joints - pelvis) * scale + self.stand


class Example(NamedTuple):
    """Inputs of a portable network, by name."""

    joints: Tensor
    camera: Tensor | None

    @property
    def given(self) -> tuple[Tensor, ...]:
        return (self.joints,) if self.camera is None else (self.joints, self.camera)

    @property
    def names(self) -> list[str]:
        return ["joints", "camera"][: len(self.given)]


def example(whole: Portable, batch: int) -> Example:
    """Random joints of people about 500 pixels high, in images of 1920 x 1080."""
    generator = torch.Generator().manual_seed(batch)
    frames = () if whole.window == 1 else (whole.window,)
    steps = torch.randn(batch, *frames, 17, 2, generator=generator)
    joints = torch.tensor([960.0, 540.0]) + 120 * steps
    camera = torch.tensor([1500.0, 1500.0, 960.0, 540.0]).repeat(batch, 1)
    return Example(joints, camera if whole.facing else None)


def facts_of(whole: Portable, lifter: Lifter, weights: str) -> dict[str, Any]:
    """What the file says about itself."""
    shape = "[B, 17, 2]" if whole.window == 1 else f"[B, {whole.window}, 17, 2]"
    facts: dict[str, Any] = {
        "network": lifter.network,
        "weights": weights,
        "trained_on": lifter.trained_on,
        "joints": list(JOINTS),
        "edges": [list(edge) for edge in EDGES],
        "input": {
            "joints": f"{shape} float32, pixels, x to the right and y down; in the order of joints",
        },
        "output": {
            name: f"[B, {size}, 3] float32, metres from the pelvis, x to the right, y down, z away "
            "from the camera"
            for name, size in zip(whole.names, (17, *lifter.mesh_sizes), strict=True)
        },
        "normalisation": "inside: joints are framed as the network was trained",
        "flip": whole.flip,
        "multiscale_gcn": __version__,
        "torch": torch.__version__,
    }
    if whole.facing:
        facts["input"]["camera"] = (
            "[B, 4] float32, pixels: focal lengths fx and fy, and the centre cx and cy of the image"
        )
    if whole.window > 1:
        facts["frames"] = whole.window
        facts["steps_per_second"] = lifter.steps_per_second
    return facts


def write_portable(whole: Portable, path: Path, facts: dict[str, Any]) -> None:
    """Export a network to a file of the kind that its ending names.

    Raises
    ------
    ValueError
        For another ending, when what exports is not installed, or when it cannot be exported.
    """
    check_ending(path)
    given = example(whole.eval(), 2)
    shapes = {name: {0: Dim.DYNAMIC} for name in given.names}
    with quiet_exporters(), torch.no_grad():
        try:
            data = _BYTES[path.suffix](whole, given, shapes, facts)
        except Exception as error:  # whatever exporters raise
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"{facts['network']} cannot be exported to {path.suffix}: {reason}; take the "
                "other ending"
            ) from error
    write_bytes(path, data)


def check_ending(path: Path) -> None:
    """Refuse a file that is neither of the two kinds, or whose exporter is missing."""
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path} ends in {path.suffix or 'nothing'}; end it in .onnx or .pt2")
    missing = [name for name in NEEDED_FOR_ONNX if find_spec(name) is None]
    if path.suffix == ".onnx" and missing:
        raise ValueError(
            f"{path} needs {' and '.join(missing)}: pip install {' '.join(missing)}; or end it "
            "in .pt2"
        )


Shapes = dict[str, dict[int, Any]]


def _onnx_bytes(whole: Portable, given: Example, shapes: Shapes, facts: dict[str, Any]) -> bytes:
    names = {"input_names": given.names, "output_names": whole.names}
    model = onnx_model(_folded(whole), given.given, **names, dynamic_shapes=shapes)
    for name, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value if isinstance(value, str) else json.dumps(value)
    data: bytes = model.SerializeToString()
    return data


def _folded(whole: Portable) -> Portable:
    """With fewer operators."""
    made = copy.copy(whole)
    made._modules = {**whole._modules, "model": Folded(whole.model).eval().for_export()}
    return made


def _pt2_bytes(whole: Portable, given: Example, shapes: Shapes, facts: dict[str, Any]) -> bytes:
    program = torch.export.export(whole, given.given, dynamic_shapes=shapes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA: json.dumps(facts, indent=1)})
    return buffer.getvalue()


_BYTES: dict[str, Callable[..., bytes]] = {".onnx": _onnx_bytes, ".pt2": _pt2_bytes}


def load_portable(path: Path) -> Callable[[Example], list[Tensor]]:
    """A file that :func:`write_portable` wrote, as onnxruntime or PyTorch alone run it.

    Raises
    ------
    ModuleNotFoundError
        For a .onnx file without onnxruntime.
    """
    if path.suffix == ".pt2":
        run = torch.export.load(path).module()
        return lambda given: list(run(*given.given))
    session = session_of(path)
    return lambda given: [
        torch.from_numpy(answer)
        for answer in session.run(
            None,
            {name: tensor.numpy() for name, tensor in zip(given.names, given.given, strict=True)},
        )
    ]


def difference(whole: Portable, path: Path, batches: tuple[int, ...] = (1, 3)) -> float:
    """The largest distance between answers of the file and of the network, metres.

    Answers farther away than a metre, as of networks that learned nothing, count by their size.
    """
    run = load_portable(path)
    most = 0.0
    for batch in batches:
        given = example(whole, batch)
        with torch.no_grad():
            pairs = zip(run(given), whole(*given.given), strict=True)
            off = [_off(one.detach(), other) for one, other in pairs]
        most = max(most, *off)
    return most


def _off(one: Tensor, other: Tensor) -> float:
    size = max(1.0, float(other.norm(dim=-1).max()))
    return float((one - other).norm(dim=-1).max()) / size
