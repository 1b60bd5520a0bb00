"""The paper's tables name each network as the paper does."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.coarse import coarsen_body
from examples.hgn_pose.datasets.h36m import ACTIONS
from examples.hgn_pose.network.architecture import SeenByNonLocal, Sharing
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.tables.paper import TABLES
from examples.hgn_pose.tables.table import FIGURES, Entry

BODY = load_body()

PRINTED_ORDER = [
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases"),
    *("Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether"),
]


@pytest.fixture(scope="module")
def hierarchy():
    return coarsen_body(BODY)


@pytest.mark.parametrize("name", TABLES)
def test_no_two_lines_of_a_table_are_the_same_run(name):
    folders = [entry.folder for entry in TABLES[name].entries]
    assert len(set(folders)) == len(folders)
    assert {column.partition(":")[0] for column in TABLES[name].columns} <= FIGURES.keys()


@pytest.mark.parametrize("name", ["1", "2", "3", "4"])
def test_parameters_are_those_that_the_paper_prints(name, hierarchy):
    for entry in TABLES[name].entries:
        count = count_parameters(build_network(entry.network, hierarchy, 0)) / 1e6
        # The coarse graphs of another body have other edges, one logit each.
        assert count == pytest.approx(entry.paper["parameters"], abs=0.016), entry.folder


@pytest.mark.parametrize("name", ["5", "6"])
def test_printed_means_are_those_of_the_actions(name):
    table = TABLES[name]
    assert [column.partition(":")[2] for column in table.columns[:-1]] == sorted(
        ACTIONS, key=PRINTED_ORDER.index
    )
    rows = {**table.others, "HGN": table.entries[0].paper}
    for label, figures in rows.items():
        *actions, mean = (figures[column] for column in table.columns)
        # As printed: rounded, and one is 0.4 off.
        assert np.mean(actions) == pytest.approx(mean, abs=0.45), label


def test_hgn_is_last_of_what_the_paper_prints_by_scene():
    table = TABLES["7"]
    for figures in table.others.values():
        for column, best in table.entries[0].paper.items():
            assert figures.get(column, 0) < best


def test_controls_have_about_as_many_parameters_but_for_their_edges():
    usual, *others = TABLES["controls"].entries
    counts = {
        entry.folder: count_parameters(
            build_network(entry.network, entry.network.graphs.of(BODY), 0)
        )
        for entry in (usual, *others)
    }
    for entry in others:
        if entry.label != "no body graph":
            assert counts[entry.folder] == pytest.approx(counts[usual.folder], rel=0.03), (
                entry.folder
            )


def test_folders_tell_runs_apart():
    base = Entry("HGN", NetworkOptions())
    others = [
        replace(base, lambda_mesh=0.0),
        replace(base, lambda_mesh=None),
        replace(base, loss_reduction="mean"),
        replace(base, loss_reduction="published"),
        replace(base, augmentation={"bones": 0.1}),
        replace(base, augmentation={"bones": 0.15}),
        replace(base, augmentation={"swing": 10.0}),
        *(
            replace(base, network=replace(base.network, **change))
            for change in (
                {"channels": 64},
                {"conv": "vanilla"},
                {"fusion_order": "sequential"},
                {"without": "48"},
                {"dropout": 0.1},
                {"init": "published"},
                {"clusters": "area"},
                {"clusters": "random"},
                {"clusters": "random", "clusters_seed": 1},
                {"clusters": "none"},
                {"padding": "published"},
                {"network": "semgcn"},
                {"network": "weight_sharing"},
                {"network": "weight_sharing", "sharing": "full"},
                {"network": "spatio_temporal"},
                {"network": "spatio_temporal", "frames": 3},
                {"network": "spatio_temporal", "frames": 3, "spacing": 2},
            )
        ),
    ]
    assert len({entry.folder for entry in [base, *others]}) == 1 + len(others)


def test_every_network_is_in_the_table_of_frames_or_of_clips():
    def networks(name):
        return {entry.network.network for entry in TABLES[name].entries}

    singles = ("hgn", "semgcn", "mlp")
    both = networks("networks") | networks("clips")
    assert both | networks("lifter-clips") == ARCHITECTURES.keys()
    assert networks("lifter-clips") - both == {"body_clips"}
    assert networks("networks") & networks("clips") == set(singles)
    shared = {entry.folder for entry in TABLES["networks"].entries}
    for entry in TABLES["clips"].entries:
        assert (entry.folder in shared) == (entry.network.network in singles)  # trained once


def test_every_way_to_share_is_in_its_table():
    entries = TABLES["sharing"].entries
    assert sorted(entry.network.sharing for entry in entries) == sorted(get_args(Sharing))
    usual = NetworkOptions("weight_sharing", init="published")
    assert Entry("", usual).folder in {entry.folder for entry in entries}


def test_folders_tell_what_non_local_blocks_see():
    seen = get_args(SeenByNonLocal)
    assert seen == ("parts", "joints", "none")
    folders = {
        Entry("", NetworkOptions("semgcn", non_local=non_local)).folder for non_local in seen
    }
    assert folders == {f"semgcn-128-nonlocal_{non_local}" for non_local in seen}
