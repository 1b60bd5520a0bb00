"""What of a schedule is made: all that its outputs depend on, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layer_graphs import ring
from random_schedules import Case, cases, dependencies
from torch import nn

from multiscale_gcn.nn import MultiScaleGCN, Schedule
from multiscale_gcn.nn.plan import plan
from multiscale_gcn.nn.schedules import u_net, v_cycle, w_cycle

GRAPHS = [ring(9), ring(6), ring(5), ring(4)]


@settings(max_examples=300)
@given(case=cases(), sequential=st.booleans())
def test_the_plan_holds_what_the_outputs_depend_on(case, sequential):
    try:
        done, held = dependencies(case, sequential)
    except LookupError:
        with pytest.raises(ValueError, match=r"has no features yet|no stage names it"):
            plan(case.schedule, case.inputs, case.outputs, sequential)
        return
    useless = [atom for atom in done - held if atom[0] in ("input", "work")]
    if useless:
        with pytest.raises(ValueError, match="output") as caught:
            plan(case.schedule, case.inputs, case.outputs, sequential)
        works = sorted((atom[1], atom[2]) for atom in useless if atom[0] == "work")
        if works:
            place = works[0][0]
            first = next(k for k in case.schedule.stages[place] if (place, k) in works)
            assert f"stages[{place}] lets scale {first} work" in str(caught.value)
        else:
            inputs = min(k for _, k, *_ in useless)
            assert f"the input of scale {inputs} reaches no output" in str(caught.value)
        return
    made = plan(case.schedule, case.inputs, case.outputs, sequential)
    sent = {("send", s, *pair) for s, pairs in enumerate(made.exchanges) for pair in pairs}
    begun = {("begin", k) for begin in made.beginnings for k in begin}
    assert sent == {atom for atom in held if atom[0] == "send"}
    assert begun == {atom for atom in held if atom[0] == "begin"}


def network(case: Case, **options) -> MultiScaleGCN:
    return MultiScaleGCN(
        GRAPHS[: len(case.inputs)],
        case.schedule,
        in_channels=[2 * width for width in case.inputs],
        channels=4,
        out_channels=case.outputs,
        non_local=False,  # its ReLU may be shut, which no schedule can help
        **options,
    )


def without_gradient(net: MultiScaleGCN) -> list[str]:
    """Parameters, at random values, that no output depends on."""
    torch.manual_seed(0)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.ones_(module.bias)  # so that ReLUs are open
    net.eval()  # in training a shift before a normalisation changes nothing
    inputs = [
        torch.randn(4, size, width)
        for size, width in zip(net.sizes, net.in_channels, strict=True)
        if width
    ]
    sum((y * torch.randn_like(y)).sum() for y in net(*inputs)).backward()
    return [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]


@settings(max_examples=30, deadline=None)
@given(
    case=cases(),
    fusion_order=st.sampled_from(["parallel", "sequential"]),
    skips=st.sampled_from(["add", "concatenate"]),
    start=st.sampled_from(["zero", "given", "published"]),
)
def test_every_parameter_of_a_random_schedule_gets_a_gradient(case, fusion_order, skips, start):
    schedule = Schedule(case.schedule.stages, case.schedule.transfers, skips)
    case = Case(schedule, case.inputs, case.outputs)
    try:
        net = network(case, fusion_order=fusion_order, start=start)
    except ValueError:
        assume(False)
    assert without_gradient(net) == []


@pytest.mark.parametrize("schedule", [u_net(3), v_cycle(3), w_cycle(4)])
def test_every_parameter_of_a_cycle_gets_a_gradient(schedule):
    count = 1 + max(k for stage in schedule.stages for k in stage)
    rest = (0,) * (count - 1)
    assert without_gradient(network(Case(schedule, (1, *rest), (1, *rest)))) == []


def test_a_stage_that_is_not_read_is_refused_and_said_how_to_mend():
    options: dict[str, Any] = {"in_channels": 1, "channels": 4, "out_channels": [1, 0]}
    with pytest.raises(
        ValueError, match=r"stages\[1\] lets scale 1 work, .* no output: .* 'v_cycle'"
    ):
        MultiScaleGCN(GRAPHS[:2], [(0,), (1,), (0,)], **options)
    MultiScaleGCN(GRAPHS[:2], "v_cycle", **options)
    MultiScaleGCN(GRAPHS[:2], [(0,), (1,), (0, 1)], **options)


def test_maps_that_nobody_reads_are_not_made():
    net = MultiScaleGCN(
        GRAPHS[:3], [(0, 1), (0, 1, 2)], in_channels=1, channels=4, out_channels=[1, 0, 0]
    )
    sums = [name for name, _ in net.named_modules() if name.count(".sums.") and "maps" not in name]
    assert sums == ["fusions.0.sums.0", "fusions.0.sums.1", "fusions.1.sums.0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": Schedule([(0,)], [[(1, 0)]])}, r"transfers\[0\] sends from scale 1 to scale 0"),
        ({"stages": Schedule([(0,)], [[(0, 2)]])}, r"transfers\[0\] names scale 2; scales run"),
        ({"stages": [(0,)], "in_channels": [1, 1]}, "the input of scale 1 reaches no output"),
    ],
)
def test_bad_schedules_are_named(options, message):
    arguments = {"in_channels": 1, "channels": 4, "out_channels": [1, 0], **options}
    with pytest.raises(ValueError, match=message):
        MultiScaleGCN(GRAPHS[:2], arguments.pop("stages"), **arguments)
