"""Tables of 2D joints, however people and programs spell them."""

import numpy as np
import pytest
import tools
from tools import FRAMES, SIZE, pixels

from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.found import CONFIDENCE
from examples.hgn_pose.lifting.keypoint_files import read_keypoints

NAMES = CONVENTIONS["coco17"].points
POINTS = pixels("coco17")
SURE = tools.likely(POINTS)
SHORT = [n.replace("left_", "L").replace("right_", "R") for n in NAMES]
CAMEL = ["".join(w.capitalize() if i else w for i, w in enumerate(n.split("_"))) for n in NAMES]


def wide(x, y, c=None, names=NAMES, separator=",", frame="frame", number="{:.4f}".format):
    head = [frame] if frame else []
    for name in names:
        head += [x.format(name), y.format(name)] + ([c.format(name)] if c else [])
    lines = [separator.join(head)]
    for t, (points, sure) in enumerate(zip(POINTS, SURE, strict=True)):
        values = np.concatenate([points, sure[:, None]], axis=1) if c else points
        cells = [str(t)] if frame else []
        lines.append(separator.join([*cells, *(number(v) for v in values.ravel())]))
    return "\n".join(lines) + "\n"


def long(head, names=NAMES, separator=","):
    rows = [
        separator.join(map(str, [t, name, *point, sure]))
        for t in range(FRAMES)
        for name, point, sure in zip(names, POINTS[t], SURE[t], strict=True)
    ]
    return "\n".join([separator.join(head), *rows])


def read(tmp_path, text, ending="csv"):
    path = tmp_path / f"table.{ending}"
    path.write_text(text, encoding="utf-8", newline="")
    return read_keypoints(path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("x", "y", "names"),
    [
        ("{}_x", "{}_y", NAMES), ("{}_X", "{}_Y", [n.upper() for n in NAMES]),
        ("X_{}", "Y_{}", [n.upper() for n in NAMES]), ("x_{}", "y_{}", NAMES),
        ("{}.x", "{}.y", NAMES), ("{} x", "{} y", NAMES), ("{}:x", "{}:y", SHORT),
        ("{}-X", "{}-Y", SHORT), ("{}X", "{}Y", CAMEL), ("{}_x", "{}_y", CAMEL),
        ("{}_x_px", "{}_y_px", NAMES), ("{} (x)", "{} (y)", SHORT), ("{}[x]", "{}[y]", NAMES),
        ("{}_x", "{}_y", [f"{n.split('_')[1]}_{n[0]}" if "_" in n else n for n in NAMES]),
        ("{}_x", "{}_y", [n.replace("_", " ").title() for n in NAMES]),
        ("L{}_x", "L{}_y", range(17)), ("{}_x", "{}_y", range(17)), ("x_{}", "y_{}", range(17)),
        ("x{}", "y{}", range(17)), ("X{}", "Y{}", range(17)), ("x{}", "y{}", range(1, 18)),
        ("kp{}_x", "kp{}_y", range(17)), ("joint_{}_x", "joint_{}_y", range(17)),
        ("landmark_{:02d}_x", "landmark_{:02d}_y", range(17)), ("{}.x", "{}.y", range(17)),
        ("keypoint {} x", "keypoint {} y", range(17)), ("joints[{}].x", "joints[{}].y", range(17)),
    ],
)  # fmt: skip
def test_columns_of_any_spelling_are_the_same_joints(x, y, names, line_end, tmp_path):
    text = wide(x, y, names=names).replace("\n", line_end)
    found = read(tmp_path, text).in_convention("auto")
    assert found.convention == "coco17"
    np.testing.assert_allclose(found.points, POINTS, atol=1e-4)


@pytest.mark.parametrize("name", CONFIDENCE)
def test_every_name_of_a_confidence_is_known(name, tmp_path):
    for c in ("{}_" + name, "{}_" + name.upper()):
        found = read(tmp_path, wide("{}_x", "{}_y", c))
        np.testing.assert_allclose(found.confidence, SURE)
    found = read(tmp_path, long(["frame", "joint", "x", "y", name]))
    np.testing.assert_allclose(found.confidence, SURE)
    np.savez(tmp_path / "table.npz", keypoints=POINTS, **{name: SURE})
    np.testing.assert_allclose(read_keypoints(tmp_path / "table.npz").confidence, SURE)


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_seen(separator, ending, tmp_path):
    found = read(tmp_path, wide("{}_x", "{}_y", "{}_c", separator=separator), ending)
    np.testing.assert_allclose(found.points, POINTS, atol=1e-4)
    np.testing.assert_allclose(found.confidence, SURE)


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_points(separator, digits, tmp_path):
    def number(value):
        return f"{value:.{digits}f}".replace(".", ",")

    found = read(tmp_path, wide("{}_x", "{}_y", "{}_c", separator=separator, number=number))
    np.testing.assert_allclose(found.points, POINTS, atol=10.0**-digits)
    quoted = wide("{}_x", "{}_y", number=lambda value: f'"{number(value)}"')
    if digits != 3:
        np.testing.assert_allclose(read(tmp_path, quoted).points, POINTS, atol=10.0**-digits)


@pytest.mark.parametrize("cells", ["412,345;388,120", "1,024.5;3,000.5", "412,3;388.1"])
def test_commas_with_two_readings_are_asked_about(cells, tmp_path):
    with pytest.raises(ValueError, match=r"table.csv, line 2: is \S+ a number with decimals, or"):
        read(tmp_path, f"frame;nose_x;nose_y\n0;{cells}\n")


@pytest.mark.parametrize(
    "head",
    [
        ["Frame", "LandmarkID", "X", "Y", "Visibility"],
        ["frame_id", "keypoint", "x", "y", "score"],
        ["FRAME", "Joint", "X", "Y", "C"],
        ["frame number", "body part", "x_px", "y_px", "conf"],
        ["image", "name", "u", "v", "likelihood"], ["frameIndex", "jointName", "px", "py", "p"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("names", [NAMES, range(17), range(1, 18)])
def test_long_tables_of_any_spelling(head, names, tmp_path):
    found = read(tmp_path, long(head, names)).in_convention("auto")
    assert found.convention == "coco17"
    np.testing.assert_allclose(found.points, POINTS)
    np.testing.assert_allclose(found.confidence, SURE)


def test_numbered_landmarks_of_mediapipe_are_told_by_their_count(tmp_path):
    points = pixels("mediapipe33") / SIZE
    rows = [f"{t},{k},{x},{y}" for t in range(12) for k, (x, y) in enumerate(points[t])]
    found = read(tmp_path, "\n".join(["Frame,LandmarkID,X,Y", *rows]))
    for asked in ("auto", "mediapipe33"):
        np.testing.assert_allclose(found.in_convention(asked).points, points)


@pytest.mark.parametrize("empty", ["", "NaN", "nan", "NA", "N/A", "null", "None", "-", "#N/A"])
def test_empty_cells_are_joints_that_were_not_found(empty, tmp_path):
    lines = wide("{}_x", "{}_y").splitlines()
    cells = lines[3].split(",")
    cells[1:3] = [empty, empty]
    lines[3] = ",".join(cells)
    found = read(tmp_path, "\n".join(lines))
    assert np.isnan(found.points[2, 0]).all()
    assert found.confidence[2].tolist() == [0, *[1] * 16]


def test_rows_are_frames_where_no_column_says_so(tmp_path):
    found = read(tmp_path, wide("{}_x", "{}_y", frame=None))
    assert found.frame.tolist() == list(range(FRAMES))
    assert any("no column frame" in note for note in found.notes)
    for name in (" ", "index", "Unnamed: 0"):
        head, *lines = wide("{}_x", "{}_y", frame=name).splitlines()
        cut = [line.split(",", 1) for line in lines]
        text = "\n".join([head, *(f"{5 * int(number)},{rest}" for number, rest in cut)])
        assert read(tmp_path, text).frame.tolist() == [5 * t for t in range(FRAMES)]
    with pytest.raises(ValueError, match="no column frame, but person; number the frames"):
        read(tmp_path, wide("{}_x", "{}_y", frame="person"))


@pytest.mark.parametrize("above", ["# by me\n# in May\n", "sep=;\n", "sep=;\r\n"])
def test_remarks_above_the_table_are_no_part_of_it(above, tmp_path):
    found = read(tmp_path, above + wide("{}_x", "{}_y", separator=";"))
    np.testing.assert_allclose(found.points, POINTS, atol=1e-4)
    with pytest.raises(ValueError, match=rf"line {above.count(chr(10)) + 2}: nose_x is 'two'"):
        read(tmp_path, above + "frame;nose_x;nose_y\n0;two;1\n")


def test_a_table_without_names_says_so(tmp_path):
    with pytest.raises(ValueError, match="begins with numbers; put the names of the columns above"):
        read(tmp_path, wide("{}_x", "{}_y").split("\n", 1)[1])
    found = read(tmp_path, wide("{}_x", "{}_y", separator="  "))
    np.testing.assert_allclose(found.points, POINTS, atol=1e-4)


def test_a_folder_may_have_a_table_for_each_frame(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for t, points in enumerate(POINTS):
        rows = [f"{name},{x},{y}" for name, (x, y) in zip(NAMES, points, strict=True)]
        (folder / f"shot {t}.csv").write_text("\n".join(["joint,x,y", *rows]))
    np.testing.assert_allclose(read_keypoints(folder).points, POINTS)
    with pytest.raises(ValueError, match="line 3: a second nose in frame 0; there is no column fr"):
        read(tmp_path, "joint,x,y\nnose,1,2\nnose,3,4\n")


def test_names_of_images_are_frames(tmp_path):
    lines = wide("{}_x", "{}_y", frame="image").splitlines()
    text = "\n".join(
        [lines[0], *(f"clip1/img_{line.replace(',', '.png,', 1)}" for line in lines[1:])]
    )
    assert read(tmp_path, text).frame.tolist() == list(range(FRAMES))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("nose_kpq", r"not read: nose_kpq; call confidences <joint>_confidence"),
        ("nose_certain", "not read: nose_certain"),
        ("left_hand_x", "not read: left_hand_x"),
    ],
)
def test_columns_of_joints_that_nobody_knows_are_refused_by_name(extra, message, tmp_path):
    lines = wide("{}_x", "{}_y").splitlines()
    text = "\n".join([f"{lines[0]},{extra}", *(f"{line},0.5" for line in lines[1:])])
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize("extra", ["timestamp", "bbox_x", "x_min", "nose_z", "nose_world_x", "fps"])
def test_columns_that_do_no_harm_are_reported(extra, tmp_path):
    lines = wide("{}_x", "{}_y").splitlines()
    text = "\n".join([f"{lines[0]},{extra}", *(f"{line},0.5" for line in lines[1:])])
    found = read(tmp_path, text)
    assert found.notes == (f"columns that were not read: {extra}",)
    np.testing.assert_allclose(found.in_convention("auto").points, POINTS, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "step", "fps"),
    [
        ("time", 1 / 30, 30), ("Timestamp", 40, 25), ("timestamp", 20_000, 50),
        ("time_s", 0.5, 2), ("Time (ms)", 5, 200), ("timestamp_ms", 5, 200), ("time", 2e-6, None),
        ("timestamp", 1, None), ("time", 0, None), ("time", -1, None), ("timer", 0.04, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("long_form", [True, False])
def test_times_of_frames_say_their_pace(name, step, fps, long_form, tmp_path):
    head, *lines = (
        long(["frame", "joint", "x", "y", "score"], NAMES) if long_form else wide("{}_x", "{}_y")
    ).splitlines()
    lines = [f"{line},{1000 + step * int(line.split(',')[0])}" for line in lines]
    found = read(tmp_path, "\n".join([f"{head},{name}", *lines]))
    if fps is None:
        assert found.fps is None
        assert found.notes == (f"columns that were not read: {name}",)
    else:
        assert found.fps == pytest.approx(fps, rel=1e-3)
        assert found.notes == (f"{found.fps:g} frames per second, by {name}",)


def test_frames_that_are_not_evenly_spaced_are_told(tmp_path):
    head, *lines = wide("{}_x", "{}_y").splitlines()
    times = np.arange(len(lines)) / 25
    times[5:] += 1
    text = [f"{head},time", *(f"{line},{t}" for line, t in zip(lines, times, strict=True))]
    found = read(tmp_path, "\n".join(text))
    assert found.fps == 25
    assert found.notes[1:] == ("frames are from 0.04 to 1.04 s apart, and taken as evenly spaced",)


def test_a_column_beside_joints_that_looks_like_a_confidence_is_asked_about(tmp_path):
    with pytest.raises(ValueError, match="may be confidences: sicher; call the confidence so"):
        read(tmp_path, long(["frame", "joint", "x", "y", "sicher"]))
    with pytest.raises(ValueError, match="two columns for one thing, nose_x and NOSE_X"):
        read(tmp_path, "frame,nose_x,NOSE_X,nose_y\n0,1,2,3\n")
    with pytest.raises(ValueError, match="has no joint 2, and others up to 3"):
        read(tmp_path, "frame,0_x,0_y,1_x,1_y,3_x,3_y\n0,1,2,3,4,5,6\n")
    with pytest.raises(ValueError, match="none has x and y below the names of joints"):
        read(tmp_path, "a,b,c\nd,e,f\n0,1,2\n")


def test_shuffled_columns_are_the_same_joints(tmp_path):
    lines = [line.split(",") for line in wide("{}_x", "{}_y", "{}_vis").splitlines()]
    order = np.random.default_rng(1).permutation(len(lines[0]))
    text = "\n".join(",".join(line[i] for i in order) for line in lines)
    found = read(tmp_path, text).in_convention("auto")
    np.testing.assert_allclose(found.points, POINTS, atol=1e-4)
    np.testing.assert_allclose(found.confidence, SURE)
