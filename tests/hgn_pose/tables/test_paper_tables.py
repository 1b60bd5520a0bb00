"""The paper's tables name each network as the paper does."""

from dataclasses import replace
from typing import get_args

import pytest

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.coarse import coarsen_body
from examples.hgn_pose.network.architecture import SeenByNonLocal, Sharing
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.tables.paper import TABLES
from examples.hgn_pose.tables.table import FIGURES, Entry


@pytest.fixture(scope="module")
def hierarchy():
    return coarsen_body(load_body())


@pytest.mark.parametrize("name", TABLES)
def test_no_two_lines_of_a_table_are_the_same_run(name):
    folders = [entry.folder for entry in TABLES[name].entries]
    assert len(set(folders)) == len(folders)
    assert set(TABLES[name].columns) <= FIGURES.keys()


@pytest.mark.parametrize("name", ["1", "2", "3", "4"])
def test_parameters_are_those_that_the_paper_prints(name, hierarchy):
    for entry in TABLES[name].entries:
        count = count_parameters(build_network(entry.network, hierarchy, 0)) / 1e6
        # The coarse graphs of another body have other edges, one logit each.
        assert count == pytest.approx(entry.paper["parameters"], abs=0.016), entry.folder


def test_folders_tell_runs_apart():
    base = Entry("HGN", NetworkOptions())
    others = [
        replace(base, lambda_mesh=0.0),
        *(
            replace(base, network=replace(base.network, **change))
            for change in (
                {"channels": 64},
                {"conv": "vanilla"},
                {"fusion_order": "sequential"},
                {"without": "48"},
                {"dropout": 0.1},
                {"init": "published"},
                {"network": "semgcn"},
                {"network": "weight_sharing"},
                {"network": "weight_sharing", "sharing": "full"},
                {"network": "spatio_temporal"},
                {"network": "spatio_temporal", "frames": 3},
            )
        ),
    ]
    assert len({entry.folder for entry in [base, *others]}) == 1 + len(others)


def test_every_network_is_in_the_table_of_frames_or_of_clips():
    def networks(name):
        return {entry.network.network for entry in TABLES[name].entries}

    singles = ("hgn", "semgcn", "mlp")
    assert networks("networks") | networks("clips") == ARCHITECTURES.keys()
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
