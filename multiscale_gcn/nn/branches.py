"""Parts of a network that do not wait for each other, side by side in a recording.

Kernels of small graphs leave most of a device idle. In a CUDA graph, what was recorded on several
streams runs at once; the backward pass of each part is recorded on the stream of its forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from multiscale_gcn.ops.kernels.asides import is_recorded, stream_beside


def side_by_side(parts: Sequence[nn.Module], inputs: Sequence[Tensor]) -> list[Tensor]:
    """What each part makes of its input: one after the other, or at once in a recording.

    Parts with a module in common, which may update statistics, take turns in a recording too.

    Parameters
    ----------
    parts : sequence of nn.Module
    inputs : sequence of Tensor
        One for each part.

    Returns
    -------
    list of Tensor
    """
    if len(parts) < 2 or not is_recorded(inputs[0]) or not _are_apart(parts):
        return [part(x) for part, x in zip(parts, inputs, strict=True)]
    current = torch.cuda.current_stream(inputs[0].device)
    aside = [stream_beside(inputs[0].device, number) for number in range(len(parts) - 1)]
    for stream in aside:
        stream.wait_stream(current)
    results = []
    # The last part comes last: what it gives up, no stream takes up before all have met.
    for stream, part, x in zip([*aside, current], parts, inputs, strict=True):
        with torch.cuda.stream(stream):
            results.append(part(x))
    for stream, x, result in zip(aside, inputs, results, strict=False):
        current.wait_stream(stream)
        if torch.is_grad_enabled():
            # Backward passes read both on other streams than those of their memory, and meet later.
            x.record_stream(stream)
            result.record_stream(current)
    return results


def _are_apart(parts: Sequence[nn.Module]) -> bool:
    modules = [module for part in parts for module in part.modules()]
    return len(set(map(id, modules))) == len(modules)
