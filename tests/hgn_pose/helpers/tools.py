"""Files of 2D joints as tools write them, from joints in pixels: one person, frames from 0.

A writer takes a path and joints [T, K, 2] with confidences [T, K], and returns the path that
``predict`` is given.
"""

from __future__ import annotations

import csv
import json
import pickle

import numpy as np

from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.filming import film

FILM = film("walk", 0)
FRAMES = 12
SIZE = (1000, 1000)


def pixels(convention, frames=FRAMES):
    """Joints of the walker, pixels; 0 where the built-in body has no such point."""
    return np.nan_to_num(FILM.in_convention(convention)[:frames].astype(np.float64))


def likely(points, seed=0):
    """Confidences that differ from joint to joint, all of which pass."""
    return np.random.default_rng(seed).uniform(0.5, 1, points.shape[:2]).round(4)


def dump(path, content):
    path.write_text(json.dumps(content))
    return path


def flat(points, sure):
    return np.concatenate([points, sure[..., None]], axis=-1).reshape(len(points), -1).tolist()


def openpose_folder(path, points, sure, name="video_{:012d}_keypoints.json"):
    path.mkdir()
    for t, values in enumerate(flat(points, sure)):
        people = [{"person_id": [-1], "pose_keypoints_2d": values, "face_keypoints_2d": []}]
        dump(path / name.format(t), {"version": 1.3, "people": people})
    return path


def openpose_list(path, points, sure):
    """ControlNet's annotators: all frames in one list, with the size of the canvas."""
    frames = [
        {"people": [{"pose_keypoints_2d": values}], "canvas_width": 1000, "canvas_height": 1000}
        for values in flat(points, sure)
    ]
    return dump(path, frames)


def alphapose(path, points, sure):
    return dump(path, [
        {"image_id": f"{t}.jpg", "category_id": 1, "keypoints": values, "score": 2.7,
         "box": [1, 2, 3, 4], "idx": [1.0]}
        for t, values in enumerate(flat(points, sure))
    ])  # fmt: skip


def alphapose_cmu(path, points, sure):
    frames = {f"{t}.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": values}]}
              for t, values in enumerate(flat(points, sure))}  # fmt: skip
    return dump(path, frames)


def vitpose(names):
    """easy_ViTPose, with y before x."""

    def write(path, points, sure):
        frames = [{"1": np.stack([p[:, 1], p[:, 0], s], axis=1).tolist()}
                  for p, s in zip(points, sure, strict=True)]  # fmt: skip
        return dump(path, {"keypoints": frames, "skeleton": dict(enumerate(names))})

    return write


def kinetics(path, points, sure):
    return dump(path, {"label": "walking", "label_index": 0, "data": [
        {"frame_index": t, "skeleton": [
            {"pose": (points[t] / 1000).ravel().tolist(), "score": sure[t].tolist()}
        ]}
        for t in range(len(points))
    ]})  # fmt: skip


def mmpose_video(path, points, sure):
    return dump(path, [
        {"frame_id": t, "instances": [{
            "keypoints": points[t].tolist(), "keypoint_scores": sure[t].tolist(),
            "bbox": [[1, 2, 3, 4]], "bbox_score": 0.9,
        }]}
        for t in range(len(points))
    ])  # fmt: skip


def mmpose_named(names):
    def write(path, points, sure):
        return dump(path, {
            "meta_info": {"keypoint_id2name": dict(enumerate(names))},
            "instance_info": [
                {"frame_id": t, "instances": [
                    {"keypoints": points[t].tolist(), "keypoint_scores": sure[t].tolist()}
                ]}
                for t in range(len(points))
            ],
        })  # fmt: skip

    return write


def mmpose_inferencer(path, points, sure):
    one = [[{"keypoints": p.tolist(), "keypoint_scores": s.tolist()}]
           for p, s in zip(points, sure, strict=True)]  # fmt: skip
    return dump(path, {"predictions": one, "visualization": []})


def ultralytics_json(path, points, sure):
    return dump(path, [
        [{"name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 9, "x2": 99},
          "keypoints": {"x": p[:, 0].tolist(), "y": p[:, 1].tolist(), "visible": s.tolist()}}]
        for p, s in zip(points, sure, strict=True)
    ])  # fmt: skip


def ultralytics_texts(path, points, sure, tail=""):
    path.mkdir()
    for t, (p, s) in enumerate(zip(points / SIZE, sure, strict=True)):
        values = " ".join(f"{v:g}" for v in np.concatenate([p, s[:, None]], axis=1).ravel())
        (path / f"clip_{t}.txt").write_text(f"0 0.5 0.5 0.2 0.6 {values}{tail}\n")
    return path


def tensorflow_js(convention):
    def write(path, points, sure):
        names = CONVENTIONS[convention].points
        return dump(path, [
            [{"score": 0.9, "keypoints": [
                {"x": x, "y": y, "score": c, "name": name}
                for name, (x, y), c in zip(names, p, s, strict=True)
            ]}]
            for p, s in zip(points.tolist(), sure.tolist(), strict=True)
        ])  # fmt: skip

    return write


def marks(points, sure):
    return [
        {"x": x, "y": y, "z": -0.3, "visibility": c}
        for (x, y), c in zip((points / SIZE).tolist(), sure.tolist(), strict=True)
    ]


def mediapipe(form):
    """Each frame's landmarks in some form of JSON."""

    def write(path, points, sure):
        return dump(path, form([marks(p, s) for p, s in zip(points, sure, strict=True)]))

    return write


MEDIAPIPE = {
    "message to dict": lambda all_: [{"pose_landmarks": {"landmark": one}} for one in all_],
    "camel case": lambda all_: [{"poseLandmarks": {"landmark": one}} for one in all_],
    "landmark list": lambda all_: [{"landmark": one} for one in all_],
    "solutions": lambda all_: [{"pose_landmarks": one} for one in all_],
    "tasks": lambda all_: [
        {"frame": t, "landmarks": [one], "worldLandmarks": [one]} for t, one in enumerate(all_)
    ],
    "bare": lambda all_: all_,
    "bare persons": lambda all_: [[one] for one in all_],
    "numbers": lambda all_: [
        [[m["x"], m["y"], m["z"], m["visibility"]] for m in one] for one in all_
    ],
    "by frame": lambda all_: {str(t): one for t, one in enumerate(all_)},
    "frames": lambda all_: {
        "fps": 25,
        "frames": [{"frame": t, "pose_landmarks": [one]} for t, one in enumerate(all_)],
    },
}


def json_lines(path, points, sure):
    lines = [json.dumps({"pose_landmarks": marks(p, s)}) for p, s in zip(points, sure, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def named_joints(convention):
    def write(path, points, sure):
        names = CONVENTIONS[convention].points
        return dump(path, [
            {"frame": t, **{n: [*xy, c] for n, xy, c in zip(names, p, s, strict=True)}}
            for t, (p, s) in enumerate(zip(points.tolist(), sure.tolist(), strict=True))
        ])  # fmt: skip

    return write


def videopose3d(path, points, sure):
    metadata = {
        "layout_name": "coco", "num_joints": 17, "keypoints_symmetry": [[1, 3], [2, 4]],
        "video_metadata": {"clip.mp4": {"w": SIZE[0], "h": SIZE[1]}},
    }  # fmt: skip
    positions = {"clip.mp4": {"custom": [points.astype(np.float32)]}}
    np.savez_compressed(
        path,
        positions_2d=np.array(positions, dtype=object),
        metadata=np.array(metadata, dtype=object),
    )
    return path


def objects(rows):
    """An array of pairs of objects, as np.savez made of ragged lists."""
    array = np.empty((len(rows), 2), dtype=object)
    for place, row in enumerate(rows):
        array[place, 0], array[place, 1] = row
    return array


def detectron2(path, points, sure):
    """VideoPose3D's infer_video_d2.py: (persons, 4, K) of x, y, logit, probability."""
    logit = np.zeros_like(sure)
    four = np.stack([points[..., 0], points[..., 1], logit, sure], axis=1).astype(np.float32)
    np.savez_compressed(
        path,
        boxes=objects([([], np.ones((1, 5), np.float32)) for _ in four]),
        segments=np.array([None] * len(four), dtype=object),
        keypoints=objects([([], one[None]) for one in four]),
        metadata=np.array({"w": SIZE[0], "h": SIZE[1]}, dtype=object),
    )
    return path


def detectron2_folder(path, points, sure):
    path.mkdir()
    for t, (p, s) in enumerate(zip(points, sure, strict=True)):
        joints = np.concatenate([p, s[:, None]], axis=1)[None]
        np.savez(path / f"frame{t:06d}.npz", pred_keypoints=joints)
    return path


def numpy_array(path, points, sure):
    np.save(path, np.concatenate([points, sure[..., None]], axis=2))
    return path


def mmaction(path, points, sure):
    """Persons before frames; the shape of the image with the height first."""
    content = {
        "frame_dir": "clip",
        "label": 0,
        "img_shape": (SIZE[1], SIZE[0]),
        "keypoint": points[None].astype(np.float32),
        "keypoint_score": sure[None].astype(np.float32),
    }
    path.write_bytes(pickle.dumps(content))
    return path


def deeplabcut_csv(convention, individual=None):
    def write(path, points, sure):
        names = CONVENTIONS[convention].points
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["scorer", *["DLC_resnet50_clip"] * (3 * len(names))])
            if individual:
                table.writerow(["individuals", *[individual] * (3 * len(names))])
            table.writerow(["bodyparts", *(n for n in names for _ in range(3))])
            table.writerow(["coords", *["x", "y", "likelihood"] * len(names)])
            for t, values in enumerate(flat(points, sure)):
                table.writerow([t, *values])
        return path

    return write


def deeplabcut_h5(layout):
    """What pandas and PyTables write, byte for byte of what matters, with h5py."""
    import h5py

    def write(path, points, sure):
        names = [
            ("DLC", n, c) for n in CONVENTIONS["coco17"].points for c in ("x", "y", "likelihood")
        ]
        values = np.array(flat(points, sure))
        with h5py.File(path, "w") as file:
            group = file.create_group("df_with_missing")
            if layout == "table":
                group.attrs["non_index_axes"] = np.bytes_(pickle.dumps([(1, names)], 0))
                kind = [("index", "<i8"), ("values_block_0", "<f8", (values.shape[1],))]
                rows = np.zeros(len(values), dtype=kind)
                rows["index"], rows["values_block_0"] = np.arange(len(values)), values
                table = group.create_dataset("table", data=rows)
                table.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(names, 0))
            else:
                group.attrs["block0_items_nlevels"] = 3
                for level in range(3):
                    words = sorted({name[level] for name in names})
                    labels = [words.index(name[level]) for name in names]
                    group[f"block0_items_level{level}"] = np.array(words, dtype="S")
                    group[f"block0_items_label{level}"] = np.array(labels, dtype=np.int8)
                group["axis1"] = np.arange(len(values))
                group["block0_values"] = values
        return path

    return write
