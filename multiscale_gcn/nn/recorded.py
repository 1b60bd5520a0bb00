"""Networks and training steps that are recorded on a CUDA device once, and replayed.

A small network is hundreds of small kernels, and a GPU waits for the host to launch each. A
recording (a CUDA graph) is one launch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import instance, shown, whole_number
from multiscale_gcn.nn.recording import Recording

WARM_UP = 3
"""Calls before a recording, in which libraries, kernels and optimizers set themselves up."""


class Recorded(nn.Module):
    """A network for inference that is recorded for each shape of its inputs, and then replayed.

    It answers what the network answers, to the bit, in a fraction of the host's time. The first
    call with a shape runs the network and records it. Where no recording can be made the network
    runs as it is, and ``reason`` says why: inputs on a processor, in training, where gradients
    are asked for, inside another recording, and for networks that wait for the device.

    Weights may change in place, as optimizers and ``load_state_dict`` change them: a recording
    reads what stands there. Calls that put other tensors in their place, such as ``.to()`` and
    ``.half()``, must go through this module, which then records anew; after those that do not, call
    :meth:`forget`.

    Parameters
    ----------
    module : nn.Module
        Takes tensors, returns a tensor or tuples, lists or dicts of them, and has no dropout in
        evaluation or other effect that a replay would miss.
    most : int
        Shapes that are kept; the one that was not used for longest makes room for another. Each
        takes the memory of one call.

    Raises
    ------
    TypeError
        If ``module`` is none.
    ValueError
        If ``most`` is no number of at least 1.

    See Also
    --------
    RecordedStep : replays a step of training on a device

    Notes
    -----
    What is returned belongs to the caller: it is copied out of the recording. Source:
    https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn.nn import Recorded
    >>> network = Recorded(torch.nn.Linear(3, 2)).eval()
    >>> with torch.no_grad():
    ...     network(torch.ones(5, 3)).shape
    torch.Size([5, 2])
    >>> network.reason
    'the inputs are not on a CUDA device'
    """

    def __init__(self, module: nn.Module, *, most: int = 8) -> None:
        super().__init__()
        instance(module, "module", nn.Module, "give the network")
        self.most = whole_number(most, "most", least=1)
        self.module = module
        self.reason: str | None = None
        self._recordings: dict[tuple[Any, ...], _Recording | str] = {}
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    def forward(self, *inputs: Tensor) -> Any:
        """The module's answer.

        Parameters
        ----------
        *inputs : Tensor

        Returns
        -------
        What the module returns.
        """
        self.reason = self._why_not(inputs)
        if self.reason is not None:
            return self.module(*inputs)
        key = (_mode(), *((x.shape, x.stride(), x.dtype, x.device) for x in inputs))
        recording = self._recordings.pop(key, None)
        if recording is None:
            recording = self._record(inputs)
        self._recordings[key] = recording
        while len(self._recordings) > self.most:
            del self._recordings[next(iter(self._recordings))]
        if isinstance(recording, str):
            self.reason = recording
            return self.module(*inputs)
        return recording(inputs)

    def _record(self, inputs: tuple[Tensor, ...]) -> _Recording | str:
        try:
            return _Recording(self.module, inputs)
        except RuntimeError as error:  # of what CUDA cannot record
            torch.cuda.synchronize(inputs[0].device)
            return f"it cannot be recorded: {error}"

    def forget(self) -> None:
        """Record anew from the next call on.

        Examples
        --------
        >>> import torch
        >>> from multiscale_gcn.nn import Recorded
        >>> network = Recorded(torch.nn.Linear(3, 2))
        >>> network.module = torch.nn.Linear(3, 4)
        >>> network.forget()
        """
        self._recordings.clear()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        self.forget()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which record anew."""
        return {**self.__dict__, "_recordings": {}}

    def _why_not(self, inputs: tuple[Any, ...]) -> str | None:
        for x in inputs:
            if not isinstance(x, Tensor):
                return f"an input is no tensor but {shown(x)}"
        if not inputs or any(x.device.type != "cuda" for x in inputs):
            return "the inputs are not on a CUDA device"
        if self.training:
            return "it is in training; call eval() first"
        if torch.is_grad_enabled() and (
            any(x.requires_grad for x in inputs)
            or any(p.requires_grad for p in self.module.parameters())
        ):
            return "gradients are asked for; call it under torch.no_grad()"
        if torch.cuda.is_current_stream_capturing():
            return "another recording is being made"
        return None


def _forget(module: Recorded, keys: Any) -> None:
    module.forget()


def _mode() -> tuple[Any, ...]:
    """What of PyTorch's state says which kernels run."""
    return (
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cuda"),
        torch.get_autocast_dtype("cuda"),
        torch.get_float32_matmul_precision(),
    )


class _Recording:
    """One call of a module, with places for its inputs and its outputs."""

    def __init__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        device = inputs[0].device
        stream, current = _new_stream(device), torch.cuda.current_stream(device)
        self.places = tuple(x.clone(memory_format=torch.preserve_format) for x in inputs)
        stream.wait_stream(current)
        with torch.cuda.device(device):
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP):
                    module(*self.places)
            self.recording = Recording(lambda: module(*self.places), stream)
        current.wait_stream(stream)

    def __call__(self, inputs: tuple[Tensor, ...]) -> Any:
        for place, x in zip(self.places, inputs, strict=True):
            place.copy_(x)
        self.recording.replay()
        return _copied(self.recording.result)


def _new_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _copied(outputs: Any) -> Any:
    if isinstance(outputs, Tensor):
        return outputs.clone()
    if isinstance(outputs, dict):
        return {name: _copied(value) for name, value in outputs.items()}
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return type(outputs)(*map(_copied, outputs))
    if isinstance(outputs, tuple | list):
        return type(outputs)(map(_copied, outputs))
    return outputs


class RecordedStep:
    """A step of training on a CUDA device that is recorded once, and then replayed.

    The first calls run the function as it is; then it is recorded. A recording reads its arguments
    from one place in memory, to which those of each later call are copied. So every call does the
    work of one call, and none is lost to the recording. Calls with other shapes than the first one
    had, such as the last batch of an epoch, run the function as it is, as all do on a processor.

    Parameters
    ----------
    step : callable
        Takes tensors and returns a tensor: typically the forward pass, ``loss.backward()`` and
        ``optimizer.step()``. What it changes, it changes in place, and it waits for nothing: it
        neither reads values back nor sends any. The optimizer must keep its state on the device
        (``capturable=True``) and, where a schedule changes its rate, the rate in a tensor.

    Raises
    ------
    TypeError
        If ``step`` cannot be called.

    See Also
    --------
    Recorded : replays a network on a device

    Notes
    -----
    The tensor that is returned is overwritten by the next call. Gradients must be set to zero, or
    to None, inside the step. Source: https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs,
    which says what can be recorded.

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn.nn import RecordedStep
    >>> network = torch.nn.Linear(3, 1)
    >>> optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    >>> def step(x, y):
    ...     loss = (network(x) - y).square().mean()
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss.detach()
    >>> recorded = RecordedStep(step)
    >>> losses = [recorded(torch.ones(8, 3), torch.zeros(8, 1)) for _ in range(9)]
    >>> bool(losses[-1] < losses[0])
    True
    """

    def __init__(self, step: Callable[..., Tensor]) -> None:
        if not callable(step):
            raise TypeError(f"step = {shown(step)} must be a function of tensors")
        self.step = step
        self._shapes: tuple[torch.Size, ...] = ()
        self._warm_up = WARM_UP
        self._stream: torch.cuda.Stream | None = None
        self._recording: Recording | None = None
        self._places: tuple[Tensor, ...] = ()

    def __call__(self, *arguments: Tensor) -> Tensor:
        """Take one step.

        Parameters
        ----------
        *arguments : Tensor

        Returns
        -------
        Tensor
            What the step returns.
        """
        shapes = tuple(argument.shape for argument in arguments)
        self._shapes = self._shapes or shapes
        if shapes != self._shapes or any(a.device.type != "cuda" for a in arguments):
            return self.step(*arguments)
        if self._stream is None:
            self._stream = _new_stream(arguments[0].device)
        if self._warm_up:
            self._warm_up -= 1
            return self._run_aside(self._stream, *arguments)
        if self._recording is None:
            self._recording = self._record(self._stream, *arguments)
        for place, argument in zip(self._places, arguments, strict=True):
            place.copy_(argument)
        self._recording.replay()
        result: Tensor = self._recording.result
        return result

    def _run_aside(self, stream: torch.cuda.Stream, *arguments: Tensor) -> Tensor:
        """On the stream of the recording, which must not depend on the default one."""
        current = torch.cuda.current_stream(stream.device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            result = self.step(*arguments)
        current.wait_stream(stream)
        return result

    def _record(self, stream: torch.cuda.Stream, *arguments: Tensor) -> Recording:
        self._places = tuple(argument.clone() for argument in arguments)
        # Other threads, such as those that watch over NCCL, may go on asking the device.
        return Recording(
            lambda: self.step(*self._places), stream, capture_error_mode="thread_local"
        )
