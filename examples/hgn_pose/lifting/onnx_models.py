"""Networks as ONNX: written by PyTorch's exporter, and asked by onnxruntime on one thread."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def onnx_model(whole: nn.Module, given: tuple[Tensor, ...], **options: Any) -> Any:
    """The exported network, an ``onnx.ModelProto``."""
    with quiet_exporters():
        made = torch.onnx.export(whole, given, dynamo=True, verbose=False, **options)
    assert made is not None
    return made.model_proto


def session_of(path: Path) -> Any:
    """An ``onnxruntime.InferenceSession`` on one thread.

    Raises
    ------
    ModuleNotFoundError
        Without onnxruntime.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        path, sess_options=options, providers=["CPUExecutionProvider"]
    )


@contextmanager
def quiet_exporters() -> Iterator[None]:
    """Exporters tell much that is no news."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
