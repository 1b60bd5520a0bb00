"""Random numbers that belong to one run, whoever else draws in between."""

from __future__ import annotations

from types import TracebackType

import torch


class Randomness:
    """PyTorch's global generators, in a state that is kept from one ``with`` to the next.

    Outside, the generators are as if nobody had drawn inside.

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
        self.device = device
        outside = self._states()
        torch.manual_seed(seed)
        self._inside = self._states()
        self._set(outside)
        self._outside = outside

    def __enter__(self) -> None:
        self._outside = self._states()
        self._set(self._inside)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside = self._states()
        self._set(self._outside)

    def _states(self) -> list[torch.Tensor]:
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        return states

    def _set(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(states[1], self.device)
