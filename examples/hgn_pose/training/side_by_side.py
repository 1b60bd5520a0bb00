"""Several runs at once on one device: small networks leave most of a GPU idle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import nn
from tqdm.auto import tqdm

from examples.hgn_pose.training.trainer import Trainer


def fit_side_by_side(
    trainers: Sequence[Trainer],
    watch: Callable[[nn.Module], float] | None = None,
    after_epoch: Callable[[Trainer], None] | None = None,
    label: str = "training",
) -> None:
    """Train the remaining epochs of all, each taking a step in turn.

    Every run comes out as it would alone: see :class:`.randomness.Randomness`. On a CUDA device
    each has a stream of its own, so that recorded steps run at the same time.

    Parameters
    ----------
    trainers : sequence of Trainer
        With models and optimizers of their own, on one device; samples may be shared.
    watch, after_epoch, label
        As in :meth:`Trainer.fit`.

    Raises
    ------
    FloatingPointError
        When a loss is no longer finite; the others stop with it.
    """
    streams = [_stream(trainer) for trainer in trainers]
    going = {
        place: trainer.steps_to_go(watch, after_epoch) for place, trainer in enumerate(trainers)
    }
    with _progress(trainers, label) as bar:
        while going:
            for place, steps in list(going.items()):
                stream = streams[place]
                with nullcontext() if stream is None else torch.cuda.stream(stream):
                    try:
                        record = next(steps)
                    except StopIteration:
                        del going[place]
                        continue
                bar.update()
                if record is not None:
                    bar.set_postfix(record.shown())
    for stream in streams:
        if stream is not None:
            torch.cuda.current_stream(stream.device).wait_stream(stream)


def _stream(trainer: Trainer) -> torch.cuda.Stream | None:
    if not trainer.on_cuda:
        return None
    device = trainer.samples.device
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return stream


def _progress(trainers: Sequence[Trainer], label: str) -> tqdm:
    total = sum(trainer.options.epochs * trainer.steps for trainer in trainers)
    behind = sum(len(trainer.records) * trainer.steps for trainer in trainers)
    return tqdm(
        total=total, initial=behind, desc=label, unit="step", dynamic_ncols=True, disable=None
    )
