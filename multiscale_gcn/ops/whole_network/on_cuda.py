"""Launches the two kernels of a whole network."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from multiscale_gcn.ops.kernels.launch import (
    kernels_of,
    multiprocessors,
    shared_memory_per_block,
)
from multiscale_gcn.ops.kernels.number_types import allow_tf32
from multiscale_gcn.ops.kernels.rehearsal import rehearsal_of_thread
from multiscale_gcn.ops.whole_network.encoding import WORDS, Launch, Walk, launches, walk
from multiscale_gcn.ops.whole_network.memory import largest
from multiscale_gcn.ops.whole_network.phases import divisions, phases_of, total_cost
from multiscale_gcn.ops.whole_network.preparation import POINTERS, TASK
from multiscale_gcn.ops.whole_network.program import Program, shape_of

THREADS = 256
"""Of a block, which have all registers of a multiprocessor."""
MOST_INSTRUCTIONS = 1000
"""Of a program: the time of planning grows with their square."""
FIRST = (8, 0)
"""Compute capability that has products in TF32."""
MEASURED = ((9, 0),)
"""Compute capabilities of devices on which it was timed beside the kernels of layers."""
MOST_ROUNDS = {False: 1, True: 8}
"""Members that a block takes one after another, at which it was not slower than those."""
ENDS = 16
"""Inputs and outputs that a launch can name."""


def hindrance(program: Program, device: torch.device) -> str | None:
    """Why the kernel cannot run the program on a device, or None."""
    ends = len(program.inputs) + len(program.outputs)
    if ends > ENDS:
        return f"it has {ends} inputs and outputs, the kernel takes {ENDS}"
    capability = torch.cuda.get_device_capability(device)
    if capability < FIRST:
        return f"its instructions need compute capability {FIRST}, this device has {capability}"
    count = len(program.instructions)
    if count > MOST_INSTRUCTIONS:
        return f"it has {count} instructions, and no more than {MOST_INSTRUCTIONS} are put in order"
    has, needed = _room(device), 4 * largest(program.instructions)
    if needed <= has:
        needed = 4 * walk_of(program, device).memory
    if needed > has:
        return f"its features take {needed} bytes of shared memory, a block has {has}"
    return None


def loss(program: Program, batch: int, device: torch.device) -> str | None:
    """Why the kernels of layers are the better choice, or None."""
    capability = torch.cuda.get_device_capability(device)
    if capability not in MEASURED:
        return f"nobody has timed it on a device of compute capability {capability}"
    rounds = MOST_ROUNDS[allow_tf32()]
    if batch > rounds * multiprocessors(_index(device)):
        return f"{batch} members are more than it was fast for"
    if torch.cuda.is_current_stream_capturing() and not _is_there(program, device):
        return "a CUDA graph is being captured, and it did not run before"
    return None


def _is_there(program: Program, device: torch.device) -> bool:
    """Whether a call has what it reads on the device, and its kernels."""
    tables = [launch.tasks for launch in launches(program.preparation)]
    tables.append(walk_of(program, device).lists)
    return all(_key_of(table, device) in _tables for table in tables)


_walks: dict[Hashable, Walk] = {}
MOST_WALKS = 256


def walk_of(program: Program, device: torch.device) -> Walk:
    """The lists of work: the shortest for which a block has room, or those of least memory."""
    room = _room(device) // 4
    key = (shape_of(program), THREADS, room)
    walked = _walks.get(key)
    if walked is None:
        if len(_walks) >= MOST_WALKS:
            _walks.clear()
        walked = _walks[key] = _planned(program, room)
    return walked


def _planned(program: Program, room: int) -> Walk:
    inputs = len(program.inputs)
    found = [
        (phases_of(program.instructions, division), division)
        for division in divisions(THREADS // 32)
    ]
    walked = (walk(*each, inputs) for each in sorted(found, key=lambda each: total_cost(*each)))
    tried = []
    for each in walked:
        if each.memory <= room:
            return each
        tried.append(each)
    return min(tried, key=lambda each: each.memory)


def _room(device: torch.device) -> int:
    """Bytes of shared memory for features, beside those of the lists of work."""
    return shared_memory_per_block(_index(device)) - _own()


def _own() -> int:
    """Bytes of shared memory for the lists of work."""
    return THREADS // 32 * 2 * WORDS * 4


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index


def run_program(program: Program, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What a network answers.

    Parameters
    ----------
    program : Program
        For which there is no :func:`hindrance`.
    inputs : sequence of Tensor
        Float32, [B, nodes, channels] as the program reads them, on the device of the parameters.
    """
    first = inputs[0]
    batch = first.shape[0]
    walked = walk_of(program, first.device)
    outputs = tuple(first.new_empty((batch, f.nodes, f.channels)) for f in program.outputs)
    workspace = first.new_empty((program.preparation.size,))
    rehearsal = rehearsal_of_thread()
    if rehearsal is not None:
        for x in inputs:
            rehearsal.reads_anywhere(x)
    for launch in launches(program.preparation):
        launch_arrange(launch, table_of(launch.tasks, first), workspace)
    table = table_of(walked.lists, first)
    launch_walk(walked, table, workspace, [*inputs, *outputs], batch)
    return outputs


def launch_arrange(launch: Launch, table: Tensor, workspace: Tensor) -> None:
    """Lay parameters out."""
    absent = [None] * (POINTERS - len(launch.parameters))
    kernels_of(
        "whole_network/arrange.cu",
        **{**_options(), "POINTERS": POINTERS, "TASK": TASK},
    ).launch(
        "arrange_weights",
        (len(launch.tasks),),
        (THREADS,),
        (table, workspace, *launch.parameters, *absent),
        workspace.device,
    )


def launch_walk(
    walked: Walk, table: Tensor, workspace: Tensor, ends: Sequence[Tensor], batch: int
) -> None:
    """Take all members of a batch through the network: inputs and outputs are its ends."""
    device = workspace.device
    places = [part for end in ends for part in (end, *end.stride())]
    absent = [0] * (4 * ENDS - len(places))
    kernels_of("whole_network/walk.cu", **_options(), ENDS=ENDS).launch(
        "walk_network",
        (min(batch, multiprocessors(device.index)),),
        (THREADS,),
        (table, workspace, len(walked.lists), batch, *places, *absent),
        device,
        4 * walked.memory + _own(),
    )


def _options() -> dict[str, int]:
    return {"TF32": int(allow_tf32()), "THREADS": THREADS}


_tables: WeakValueDictionary[Hashable, Tensor] = WeakValueDictionary()
_captured: dict[Hashable, Tensor] = {}
"""Those that CUDA graphs read."""


def _key_of(numbers: np.ndarray, device: torch.device) -> Hashable:
    return (device, allow_tf32(), numbers.tobytes())


def table_of(numbers: np.ndarray, beside: Tensor) -> Tensor:
    """On a tensor's device, where it stays as long as a call that was written down with it.

    A CUDA graph may be replayed after that, and nobody says when it is no more.
    """
    key = _key_of(numbers, beside.device)
    table = _tables.get(key)
    if table is None:
        with torch._C.DisableTorchFunction():
            table = _tables[key] = beside.new_tensor(numbers, dtype=torch.int32)
    rehearsal = rehearsal_of_thread()
    if rehearsal is not None:
        rehearsal.keep(table)
    if torch.cuda.is_current_stream_capturing():
        _captured[key] = table
    return table
