"""Random numbers that belong to one run, whoever else draws in between."""

from __future__ import annotations

from types import TracebackType

import torch


class Randomness:
    """PyTorch's global generators, in a state that is kept from one ``with`` to the next.

    Outside, the generators are as if nobody had drawn inside. On a CUDA device the state itself
    changes places, and not its numbers: a recorded step counts in the state in which it was
    recorded, so steps that run at the same time must not share one.

    Parameters
    ----------
    device : torch.device
        The generator of a CUDA device is kept beside the processor's.
    seed : int

    Examples
    --------
    >>> import torch
    >>> one, other = (Randomness(torch.device("cpu"), seed=0) for _ in range(2))
    >>> drawn = []
    >>> for mine in (one, other, one, other):
    ...     with mine:
    ...         drawn.append(float(torch.rand(())))
    >>> drawn[0] == drawn[1], drawn[2] == drawn[3], drawn[0] == drawn[2]
    (True, True, False)
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        self._of_device = _default_generator(device) if device.type == "cuda" else None
        if self._of_device is not None:
            self._device_inside = self._of_device.clone_state()
        self.begin_at(seed)

    def begin_at(self, seed: int) -> None:
        """Draw from here on as from a seed."""
        outside = torch.get_rng_state()
        torch.default_generator.manual_seed(seed)
        self._inside = torch.get_rng_state()
        torch.set_rng_state(outside)
        if self._of_device is not None:
            self._device_inside.manual_seed(seed)

    def __enter__(self) -> None:
        self._outside = torch.get_rng_state()
        torch.set_rng_state(self._inside)
        if self._of_device is not None:
            self._device_outside = self._of_device.graphsafe_get_state()
            self._of_device.graphsafe_set_state(self._device_inside)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside = torch.get_rng_state()
        torch.set_rng_state(self._outside)
        if self._of_device is not None:
            self._of_device.graphsafe_set_state(self._device_outside)


def _default_generator(device: torch.device) -> torch.Generator:
    torch.cuda.init()
    place = torch.cuda.current_device() if device.index is None else device.index
    generator: torch.Generator = torch.cuda.default_generators[place]
    return generator
