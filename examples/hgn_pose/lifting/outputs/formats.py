"""Files of other tools, by their endings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.smpl import SmplBody
from examples.hgn_pose.files.writing import write_bytes
from examples.hgn_pose.lifting.outputs import gltf, video
from examples.hgn_pose.lifting.outputs.body_clip import BodyClip, with_body
from examples.hgn_pose.lifting.outputs.bvh import bvh
from examples.hgn_pose.lifting.outputs.smpl_parameters import NEEDS_MODEL, smpl_parameters
from examples.hgn_pose.lifting.outputs.tables import table, trc
from examples.hgn_pose.lifting.prediction import Prediction

SMPL = ".smpl.npz"
FORMATS: dict[str, Callable[[BodyClip], bytes]] = {
    ".bvh": bvh,
    ".glb": gltf.glb,
    ".trc": trc,
    ".csv": table,
    SMPL: smpl_parameters,
    ".mp4": video.mp4,
    ".gif": video.gif,
}
"""What a file of each ending holds."""


@dataclass(frozen=True)
class Destinations:
    """Where results go.

    Parameters
    ----------
    folder : Path or None
        For prediction.npz and its kin.
    files : tuple of (str, Path)
        An ending of ``FORMATS`` and a file of it.
    """

    folder: Path | None
    files: tuple[tuple[str, Path], ...]

    def folders(self) -> set[Path]:
        """All folders that are written to."""
        parents = {path.parent for _, path in self.files}
        return parents if self.folder is None else {self.folder, *parents}

    def numbered(self, number: int) -> Destinations:
        """The same for one of several people: a folder in the folder, a number in the names."""
        return Destinations(
            None if self.folder is None else self.folder / f"person-{number}",
            tuple(
                (end, path.with_name(f"{path.name[: -len(end)]}-{number}{end}"))
                for end, path in self.files
            ),
        )


def destinations(paths: Sequence[Path]) -> Destinations:
    """Tell files of other tools, by their endings, from a folder.

    Raises
    ------
    ValueError
        For a file of an unknown ending, and for several folders.

    Examples
    --------
    >>> from pathlib import Path
    >>> from examples.hgn_pose.lifting.outputs.formats import destinations
    >>> found = destinations([Path("walk.bvh"), Path("walk.GLB"), Path("runs/walk")])
    >>> found.folder.as_posix(), [end for end, _ in found.files]
    ('runs/walk', ['.bvh', '.glb'])
    """
    folders: list[Path] = []
    files: list[tuple[str, Path]] = []
    for path in paths:
        end = next((end for end in FORMATS if path.name.lower().endswith(end)), None)
        if end is not None:
            files.append((end, path))
        elif path.suffix and not path.is_dir() and path.suffix.lower() in _MISTAKEN:
            raise ValueError(
                f"{path} is no file that can be written; give a folder, or files of these "
                f"endings: {', '.join(FORMATS)}"
            )
        else:
            folders.append(path)
    if len(folders) > 1:
        raise ValueError(
            f"out names {len(folders)} folders, {folders[0]} and {folders[1]}; give one, and files "
            f"of these endings: {', '.join(FORMATS)}"
        )
    return Destinations(folders[0] if folders else None, tuple(files))


def check_formats(where: Destinations, body: BodyModel) -> None:
    """Refuse what cannot be written before the work is done.

    Raises
    ------
    ValueError
        If a package or SMPL's model is missing.
    """
    for end, _ in where.files:
        package, remedy = _NEEDED.get(end, ("", ""))
        if package and find_spec(package) is None:
            raise ValueError(f"a {end} file {remedy}")
        if end == SMPL and not isinstance(body, SmplBody):
            raise ValueError(NEEDS_MODEL)


def write_files(
    where: Destinations, prediction: Prediction, body: BodyModel, smpl: SmplBody | None
) -> None:
    """Fit bodies where files are wanted, and write each file whole or not at all.

    Parameters
    ----------
    where : Destinations
    prediction : Prediction
    body : BodyModel
        Of all files but those of SMPL's parameters.
    smpl : SmplBody, optional
        Of those, if ``body`` is another one.
    """
    clips: dict[bool, BodyClip] = {}
    for end, path in where.files:
        other = end == SMPL and smpl is not None
        if other not in clips:
            clips[other] = with_body(smpl if other and smpl is not None else body, prediction)
        clip = clips[other]
        write_bytes(path, FORMATS[end](clip))
        fitted = f" (the body lies {clip.error.mean():.1f} mm from the joints)"
        print(f"wrote {path}{fitted if end in _WITH_BODY else ''}")


_NEEDED = {".glb": ("pygltflib", gltf.NEEDED), ".mp4": ("imageio_ffmpeg", video.NEEDED)}
"""Packages that nothing else needs, and how to get them."""
_WITH_BODY = (".bvh", ".glb", SMPL)
_MISTAKEN = {".npz", ".json", ".html", ".fbx", ".gltf", ".c3d", ".mov", ".avi", ".obj", ".usd"}
"""Endings that nobody gives a folder."""
