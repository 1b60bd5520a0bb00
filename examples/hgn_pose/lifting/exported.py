"""A network that answers one image at a time: exported to ONNX where that runs, else as it is."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from examples.hgn_pose.body.skeleton import FLIP
from examples.hgn_pose.files.caching import checksum_of
from examples.hgn_pose.files.writing import make_folder, write_bytes
from examples.hgn_pose.lifting.onnx_models import onnx_model, session_of
from multiscale_gcn import __version__
from multiscale_gcn.nn import Folded

NEEDED = ("onnxruntime", "onnxscript")
Answer = Callable[[np.ndarray], np.ndarray]
"""From one input [17, 2] to its pose [17, 3], averaged with the mirrored answer to its mirror
image."""


class _Pose(nn.Module):
    """The pose alone, of an input and its mirror image, averaged: test-time flip in one batch."""

    flip: Tensor

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("flip", torch.tensor(FLIP))

    def forward(
        self,
        image: Tensor,  # [1, 17, 2]
    ) -> Tensor:  # [1, 17, 3]
        mirror = image.new_tensor([-1.0, 1.0, 1.0])
        both = torch.cat([image, (image * mirror[:2]).index_select(1, self.flip)])
        pose = self.model(both)[0]
        mean = (pose[:1] + pose[1:].index_select(1, self.flip) * mirror) / 2
        return mean - mean[:, :1]


def answering(model: nn.Module, folder: Path) -> tuple[Answer, str]:
    """How to ask a network fast for one image, and a name for that.

    Parameters
    ----------
    model : nn.Module
        On the CPU.
    folder : Path
        Where exported networks are kept, for the export takes a while.

    Returns
    -------
    answer : callable
    how : str
        What runs, for reports.
    """
    folded = Folded(model).eval()
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        whole = _Pose(folded).eval()
        return _plain(whole), f"PyTorch, for {' and '.join(missing)} are not installed"
    import onnxruntime

    path = folder / f"{_checksum(model)}.onnx"
    if not path.exists():
        make_folder(folder)
        whole = _Pose(folded.for_export()).eval()
        write_bytes(path, onnx_model(whole, (torch.zeros(1, 17, 2),)).SerializeToString())
    session = session_of(path)
    name = session.get_inputs()[0].name

    def answer(image: np.ndarray) -> np.ndarray:
        return session.run(None, {name: image[None].astype(np.float32)})[0][0]

    return answer, f"onnxruntime {onnxruntime.__version__}, one thread"


def _plain(whole: nn.Module) -> Answer:
    def answer(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return whole(torch.from_numpy(image[None].astype(np.float32)))[0].numpy()

    return answer


def _checksum(model: nn.Module) -> str:
    state = model.state_dict()
    arrays = [array.detach().cpu().numpy() for array in state.values()]
    return checksum_of(torch.__version__, __version__, "folded", *state, *arrays)
