"""What every data set of the catalogue must hold; a test class inherits it and brings the files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import pytest
import torch

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.commands.check_data import describe_footage
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.plausible import FEW, MISFIT, check_skeleton, unit_of
from examples.hgn_pose.motion.footage import Footage
from examples.hgn_pose.motion.motion import held_out_frames
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.preparing import prepare_data

ANKLES = [JOINTS.index("L_Ankle"), JOINTS.index("R_Ankle")]


class DataSetChecks(ABC):
    """Tests that a class named ``Test...`` inherits; all of them read what :meth:`write` writes."""

    name: str
    """In the catalogue."""

    fps: float
    """Frames per second of every clip that is written."""

    split_by_subject = True
    """Whether whole subjects are held out; otherwise clips are."""

    real_cameras = True
    """Whether the files bring 2D joints."""

    @abstractmethod
    def write(self, folder: Path) -> Path:
        """Write a small data set, with training and test frames, in its own format.

        Parameters
        ----------
        folder : Path
            Empty.

        Returns
        -------
        Path
            What ``--data-path`` would name: the folder, or a file in it.
        """

    @pytest.fixture
    def options(self, tmp_path: Path) -> DataOptions:
        """The options that read what was written."""
        folder = tmp_path / "data"
        folder.mkdir()
        return DataOptions(
            self.name, self.write(folder), train_every=1, test_every=1, fit_cache=tmp_path / "fits"
        )

    @pytest.fixture
    def footage(self, options: DataOptions) -> Footage:
        """What was read."""
        return options.read()

    def test_the_catalogue_says_what_it_is(self) -> None:
        entry = CATALOGUE[self.name]
        assert entry.what
        assert ";" not in entry.what  # help lists the data sets with semicolons between them
        assert not entry.what.endswith(".")
        assert entry.expected
        assert entry.notes
        assert set(entry.options) <= set(vars(DataOptions()))

    def test_shapes_fit_together(self, footage: Footage) -> None:
        motion = footage.motion
        assert motion.positions.shape == (len(motion), 17, 3)
        assert motion.positions.dtype == np.float32
        assert np.isfinite(motion.positions).all()
        assert set(np.unique(motion.clip)) == set(range(len(motion.clips)))
        assert (np.diff(motion.clip) >= 0).all()  # the frames of a clip stand together
        assert len(footage.camera_names) == len(footage.cameras)
        assert (footage.sights is not None) == self.real_cameras

    def test_positions_are_metres_with_z_up(self, footage: Footage) -> None:
        motion = footage.motion
        assert unit_of(motion.positions) == "metres"
        for number, clip in enumerate(motion.clips):
            check_skeleton(motion.positions[motion.clip == number], clip.name)
        height = motion.positions[..., 2]
        upright = height[:, JOINTS.index("Neck")] > height[:, ANKLES].max(axis=1)
        assert upright.mean() > 0.5

    def test_clips_have_their_frames_per_second(self, footage: Footage) -> None:
        assert footage.motion.fps.tolist() == [self.fps] * len(footage.motion.clips)

    def test_clips_say_what_is_done_and_by_whom(self, footage: Footage) -> None:
        for clip in footage.motion.clips:
            assert clip.name
            assert clip.action
            assert str(clip.performer)

    def test_nobody_is_trained_on_and_tested(self, footage: Footage) -> None:
        clips = footage.motion.clips
        train = {clip.performer for clip in clips if not clip.held_out}
        test = {clip.performer for clip in clips if clip.held_out}
        assert train
        assert test
        if self.split_by_subject:
            assert not train & test

    def test_2d_joints_show_the_3d_ones(self, footage: Footage) -> None:
        misfits = footage.misfits(FEW)
        assert bool(misfits) == self.real_cameras
        for name, sights, misfit in misfits:
            assert sights
            assert misfit < MISFIT / 2, name  # in widths of the image

    def test_networks_get_finite_numbers_of_the_right_size(self, footage: Footage) -> None:
        samples = gather(footage)
        row = torch.arange(len(samples))
        batch = samples.batch(footage.cameras, row, torch.zeros_like(row))
        assert torch.isfinite(batch.image).all()
        assert (batch.pose[:, 0] == 0).all()
        reach = torch.linalg.vector_norm(batch.pose, dim=2).max()
        assert 0.3 < reach < 2  # metres from the pelvis
        assert set(samples.labels(footage.cameras).action.names) == {
            clip.action for clip in footage.motion.clips
        }

    def test_every_nth_frame_can_be_taken(self, footage: Footage) -> None:
        assert 0 < len(footage.every(3).motion) < len(footage.motion)

    def test_training_and_test_frames_are_prepared(
        self, options: DataOptions, footage: Footage
    ) -> None:
        prepared = prepare_data(options, torch.device("cpu"))
        held_out = held_out_frames(footage.motion)
        assert prepared.split["train_frames"] == (~held_out).sum()
        assert prepared.split["test_frames"] == held_out.sum()
        alone = prepare_data(options, torch.device("cpu"), test_only=True)
        assert alone.split["test_frames"] == held_out.sum()

    def test_check_data_tells_what_is_in_it(self, footage: Footage) -> None:
        text = describe_footage(footage, self.name)
        assert f"{self.name}: {len(footage.motion):,} frames" in text
        assert "in metres" in text
        for clip in footage.motion.clips:
            assert str(clip.performer) in text
            assert clip.action in text

    def test_a_missing_file_is_named(self, tmp_path: Path, options: DataOptions) -> None:
        assert options.data_path is not None
        missing = tmp_path / "nothing"
        if options.data_path.is_dir():
            missing.mkdir()
        else:
            missing = missing.with_suffix(options.data_path.suffix)
        with pytest.raises(ValueError, match=missing.name):
            DataOptions(self.name, missing).read()

    def test_a_path_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = CATALOGUE[self.name]
        if entry.variable:
            monkeypatch.delenv(entry.variable, raising=False)
        with pytest.raises(ValueError, match="data_path is missing") as caught:
            DataOptions(self.name).read()
        assert entry.expected in str(caught.value)

    def test_a_damaged_file_is_named(self, tmp_path: Path, options: DataOptions) -> None:
        files = sorted(path for path in (tmp_path / "data").rglob("*") if path.is_file())
        assert files
        for path in files:
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            with pytest.raises(ValueError, match=path.name):
                options.read()
            path.write_bytes(whole)
