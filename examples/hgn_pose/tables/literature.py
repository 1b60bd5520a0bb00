"""Tables 5 to 7 of Li et al. 2021: HGN among other methods, on data that one must own."""

from __future__ import annotations

from collections.abc import Sequence

from examples.hgn_pose.network.building import NetworkOptions
from examples.hgn_pose.tables.table import Entry, Table

_ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Photo",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Waiting",
    "WalkDog",
    "Walking",
    "WalkTogether",
    "mean",
)
"""In the order of the paper; the mean is that of the actions, each of which weighs the same."""

_MPJPE = {
    "Pavllo et al., several frames": "45.2 46.7 43.3 45.6 48.1 55.1 44.6 44.3 57.3 65.8 47.1 44.0 "
    "49.0 32.8 33.9 46.8",
    "Cai et al., several frames": "44.6 47.4 45.6 48.8 50.8 59.0 49.7 47.2 43.9 57.9 61.9 46.6 "
    "51.3 37.1 39.4 48.8",
    "Martinez et al.": "51.8 56.2 58.1 59.0 69.5 78.4 55.2 58.1 74.0 94.6 62.3 59.1 65.1 49.5 "
    "52.4 62.9",
    "Pavlakos et al., with MPII": "48.5 54.4 54.5 52.0 59.4 65.3 49.9 52.9 65.8 71.1 56.6 52.9 "
    "60.9 44.7 47.8 56.2",
    "Zhao et al.": "48.2 60.8 51.8 64.0 64.6 53.6 51.1 67.4 88.7 57.7 73.2 65.6 48.9 64.8 51.9 "
    "60.8",
    "Ci et al., with MPII": "46.8 52.3 44.7 50.4 52.9 68.9 49.6 46.4 60.2 78.9 51.2 50.0 54.8 "
    "40.4 43.3 52.7",
    "Liu et al.": "46.3 52.2 47.3 50.7 55.5 67.1 49.2 46.0 60.4 71.1 51.5 50.1 54.5 40.3 43.7 52.4",
    "Zou et al.": "49.0 54.5 52.3 53.6 59.2 71.6 49.6 49.8 66.0 75.5 55.1 53.8 58.5 40.9 45.4 55.6",
    "Xu and Takano": "45.2 49.9 47.5 50.9 54.9 66.1 48.5 46.3 59.7 71.5 51.4 48.6 53.9 39.9 44.1 "
    "51.9",
}
_MPJPE_OF_HGN = "47.8 52.5 47.7 50.5 53.9 60.7 49.5 49.4 60.0 66.3 51.8 48.8 55.2 40.5 42.6 51.8"

_PA_MPJPE = {
    "Pavllo et al., several frames": "34.2 36.8 33.9 37.5 37.1 43.2 34.4 33.5 45.3 52.7 37.7 34.1 "
    "38.0 25.8 27.7 36.8",
    "Cai et al., several frames": "35.7 37.8 36.9 40.7 39.6 45.2 37.4 34.5 46.9 50.1 40.5 36.1 "
    "41.0 29.6 33.2 39.0",
    "Martinez et al.": "39.5 43.2 46.4 47.0 51.0 56.0 41.4 40.6 56.5 69.4 49.2 45.0 49.5 38.0 "
    "43.1 47.7",
    "Pavlakos et al., with MPII": "34.7 39.8 41.8 38.6 42.5 47.5 38.0 36.6 50.7 56.8 42.6 39.6 "
    "43.9 32.1 36.5 41.8",
    "Ci et al., with MPII": "36.9 41.6 38.0 41.0 41.9 51.1 38.2 37.6 49.1 62.1 43.1 39.9 43.5 "
    "32.2 37.0 42.2",
    "Liu et al.": "35.9 40.0 38.0 41.5 42.5 51.4 37.8 36.0 48.6 56.6 41.8 38.3 42.7 31.7 36.2 41.2",
    "Zou et al.": "38.6 42.8 41.8 43.4 44.6 52.9 37.5 38.6 53.3 60.0 44.4 40.9 46.9 32.2 37.9 43.7",
}
_PA_MPJPE_OF_HGN = "35.8 39.7 36.3 40.6 40.2 45.9 36.8 35.8 47.3 53.7 40.7 36.4 43.1 29.8 32.8 39.6"

_SCENES = (
    "pck:studio, green screen",
    "pck:studio",
    "pck:outdoor",
    "pck",
    "auc",
)

_PCK: dict[str, tuple[float | None, ...]] = {
    "Martinez et al.": (49.8, 42.5, 31.2, 42.5, 17.0),
    "Mehta et al.": (70.8, 62.3, 58.8, 64.7, 31.7),
    "Yang et al., with MPII": (None, None, None, 69.0, 32.0),
    "Zhou et al. 2017, with MPII": (71.1, 64.7, 72.7, 69.2, 32.5),
    "Luo et al.": (71.3, 59.4, 65.7, 65.6, 33.2),
    "Ci et al.": (74.8, 70.8, 77.3, 74.0, 36.7),
    "Zhou et al. 2019, with MPII": (75.6, 71.3, 80.3, 75.3, 38.0),
    "Xu and Takano": (81.5, 81.7, 75.2, 80.1, 45.8),
}
_PCK_OF_HGN = (87.0, 84.9, 82.7, 85.2, 52.1)

_HGN = NetworkOptions("hgn", init="published")


def _figures(columns: Sequence[str], values: Sequence[float | None]) -> dict[str, float]:
    pairs = zip(columns, values, strict=True)
    return {column: value for column, value in pairs if value is not None}


def _by_action(name: str, title: str, error: str, rows: dict[str, str], hgn: str) -> Table:
    columns = tuple(f"{error}:{action}" for action in _ACTIONS)

    def figures(text: str) -> dict[str, float]:
        return _figures(columns, [float(value) for value in text.split()])

    return Table(
        name,
        title,
        columns,
        (Entry("HGN", _HGN, paper=figures(hgn)),),
        source="Li et al. 2021, Human3.6M with 2D joints that CPN detected",
        others={label: figures(text) for label, text in rows.items()},
        data=("h36m-npz", "h36m-json"),
        drawn=columns[-1],
    )


BY_ACTION = _by_action("5", "MPJPE by action", "mpjpe", _MPJPE, _MPJPE_OF_HGN)
BY_ACTION_ALIGNED = _by_action("6", "PA-MPJPE by action", "pa_mpjpe", _PA_MPJPE, _PA_MPJPE_OF_HGN)
GENERALISATION = Table(
    "7",
    "Trained on Human3.6M, measured on MPI-INF-3DHP",
    _SCENES,
    (Entry("HGN", _HGN, paper=_figures(_SCENES, _PCK_OF_HGN)),),
    source="Li et al. 2021, with true 2D joints",
    others={label: _figures(_SCENES, values) for label, values in _PCK.items()},
    data=("h36m-npz", "h36m-json"),
    measured_on="mpi-inf-3dhp",
    drawn="pck",
)
