import json

import numpy as np
import pytest

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.datasets.cmu17_from_mocap import (
    CMU_UNIT,
    GIVEN_THORAX,
    build,
    read_actions,
    read_clip,
    seventeen,
    steady,
)
from examples.hgn_pose.datasets.mocap import read_amc, read_asf, read_bvh
from examples.hgn_pose.datasets.readers.cmu17 import CMU17_JOINTS, load_cmu17
from examples.hgn_pose.motion.motion import held_out_frames

AT = CMU17_JOINTS.index

# Name, parent, direction, length, axis, dof. Lengths are in CMU's units, y is up; the person
# stands with arms to the sides. lradius has a bent axis, as CMU's have.
BONES = [
    ("lhipjoint", "root", (1, 0, 0), 1.6, (0, 0, 0), ""),
    ("lfemur", "lhipjoint", (0, -1, 0), 7.2, (0, 0, 0), "rx ry rz"),
    ("ltibia", "lfemur", (0, -1, 0), 7.4, (0, 0, 0), "rx"),
    ("rhipjoint", "root", (-1, 0, 0), 1.6, (0, 0, 0), ""),
    ("rfemur", "rhipjoint", (0, -1, 0), 7.2, (0, 0, 0), "rx ry rz"),
    ("rtibia", "rfemur", (0, -1, 0), 7.4, (0, 0, 0), "rx"),
    ("lowerback", "root", (0, 1, 0), 3.8, (0, 0, 0), "rx ry rz"),
    ("upperback", "lowerback", (0, 1, 0), 2.0, (0, 0, 0), "rx ry rz"),
    ("thorax", "upperback", (0, 1, 0), 2.1, (0, 0, 0), "rx ry rz"),
    ("lowerneck", "thorax", (0, 1, 0), 1.7, (0, 0, 0), ""),
    ("upperneck", "lowerneck", (0, 1, 0), 1.7, (0, 0, 0), ""),
    ("head", "upperneck", (0, 1, 0), 1.8, (0, 0, 0), ""),
    ("lclavicle", "thorax", (1, 0, 0), 3.5, (0, 0, 0), ""),
    ("lhumerus", "lclavicle", (1, 0, 0), 5.0, (0, 0, 0), "rx ry rz"),
    ("lradius", "lhumerus", (1, 0, 0), 3.4, (90, 0, 0), "rx ry"),
    ("rclavicle", "thorax", (-1, 0, 0), 3.5, (0, 0, 0), ""),
    ("rhumerus", "rclavicle", (-1, 0, 0), 5.0, (0, 0, 0), "rx ry rz"),
    ("rradius", "rhumerus", (-1, 0, 0), 3.4, (0, 0, 0), "rx"),
]


def write_asf(path):
    lines = [":version 1.10", ":name test", ":units", "  mass 1.0", "  length 0.45", "  angle deg"]
    lines += [":documentation", "   none: at all", ":root", "   order TX TY TZ RX RY RZ"]
    lines += ["   axis XYZ", "   position 0 0 0", "   orientation 0 0 0", ":bonedata"]
    for number, (name, _, direction, length, axis, dof) in enumerate(BONES, start=1):
        lines += ["  begin", f"     id {number}", f"     name {name}"]
        lines += ["     direction " + " ".join(map(str, direction)), f"     length {length}"]
        lines += ["     axis " + " ".join(map(str, axis)) + "  XYZ"]
        if dof:
            lines += [f"    dof {dof}", "    limits (-180.0 180.0)"]
            lines += ["           (-180.0 180.0)"] * (len(dof.split()) - 1)
        lines += ["  end"]
    lines += [":hierarchy", "  begin"]
    for parent in dict.fromkeys(bone[1] for bone in BONES):
        lines += ["    " + " ".join([parent, *(b[0] for b in BONES if b[1] == parent)])]
    path.write_text("\n".join([*lines, "  end", ""]))


def write_amc(path, frames):
    """Each frame is a dict of what differs from zero; the root stands at a height of 15."""
    lines = ["#!OML:ASF test", ":FULLY-SPECIFIED", ":DEGREES"]
    for number, frame in enumerate(frames, start=1):
        lines += [str(number)]
        for name, dof in [("root", "......"), *((b[0], b[5].split()) for b in BONES if b[5])]:
            rest = [0, 15, 0, 0, 0, 0] if name == "root" else [0] * len(dof)
            lines += [" ".join(map(str, [name, *frame.get(name, rest)]))]
    path.write_text("\n".join([*lines, ""]))


BVH = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT chest
  {
    OFFSET 0 4 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT neck
    {
      OFFSET 0 4 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      JOINT head
      {
        OFFSET 0 3.4 0
        CHANNELS 3 Zrotation Xrotation Yrotation
        End Site
        {
          OFFSET 0 1.8 0
        }
      }
    }
    LIMBS
  }
  LEGS
}
MOTION
Frames: COUNT
Frame Time: 0.00833333
"""


def chain(names, offsets):
    """Nested joints with rotations only."""
    if not names:
        return "End Site { OFFSET 0 0 0.5 }"
    x, y, z = offsets[0]
    inner = chain(names[1:], offsets[1:])
    return (
        f"JOINT {names[0]} {{ OFFSET {x} {y} {z} CHANNELS 3 Zrotation Xrotation Yrotation "
        f"{inner} }}"
    )


def write_bvh(path, rows):
    """Rows of a dict of channel number to value; the order of channels is that of the file."""
    arms = [
        chain(
            [f"{s}Shldr", f"{s}ForeArm", f"{s}Hand"],
            [(k * 3.5, 4, 0), (k * 5, 0, 0), (k * 3.4, 0, 0)],
        )
        for s, k in (("l", 1), ("r", -1))
    ]
    legs = [
        chain([f"{s}Thigh", f"{s}Shin", f"{s}Foot"], [(k * 1.6, 0, 0), (0, -7.2, 0), (0, -7.4, 0)])
        for s, k in (("l", 1), ("r", -1))
    ]
    text = BVH.replace("LIMBS", "\n".join(arms)).replace("LEGS", "\n".join(legs))
    count = 6 + 3 * 15
    lines = []
    for row in rows:
        values = [0.0] * count
        values[1] = 15.0
        for column, value in row.items():
            values[column] = value
        lines.append(" ".join(map(str, values)))
    path.write_text(text.replace("COUNT", str(len(rows))) + "\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path):
    write_asf(tmp_path / "07.asf")
    return tmp_path


def amc(folder, frames):
    write_amc(folder / "07_01.amc", frames)
    return read_amc(folder / "07_01.amc", read_asf(folder / "07.asf"))


def test_a_skeleton_at_rest_stands_where_its_bones_add_up(folder):
    points = amc(folder, [{}]).points
    expected = {
        "lfemur": (1.6, 15 - 7.2, 0),
        "rtibia": (-1.6, 15 - 14.6, 0),
        "thorax": (0, 15 + 7.9, 0),
        "head": (0, 15 + 13.1, 0),
        "lradius": (11.9, 15 + 7.9, 0),
    }
    for name, place in expected.items():
        np.testing.assert_allclose(points[name][0], place, atol=1e-12)
    assert read_asf(folder / "07.asf").metres == pytest.approx(0.056444, abs=1e-6)


@pytest.mark.parametrize(
    ("frame", "point", "place"),
    [
        # A thigh that turns by -90 degrees about x points from down to forward (+z).
        ({"lfemur": (-90, 0, 0)}, "lfemur", (1.6, 15, 7.2)),
        ({"lfemur": (-90, 0, 0)}, "ltibia", (1.6, 15, 14.6)),
        # The knee bends back by 90 degrees: the shin hangs again.
        ({"lfemur": (-90, 0, 0), "ltibia": (90,)}, "ltibia", (1.6, 15 - 7.4, 7.2)),
        # x first, then z: down turns to forward, and forward is the axis of the second turn.
        ({"lfemur": (-90, 0, 90)}, "lfemur", (1.6, 15, 7.2)),
        ({"lfemur": (90, 90, 0)}, "lfemur", (1.6 - 7.2, 15, 0)),
        # The whole body turns to the left about y, after it moved.
        ({"root": (1, 2, 3, 0, 90, 0)}, "lfemur", (1, 2 - 7.2, 3 - 1.6)),
        # The axis of lradius is turned by 90 degrees about x: its own y is the world's z.
        ({"lradius": (0, 90)}, "lradius", (8.5, 15 + 7.9 + 3.4, 0)),
        # The trunk bends, and takes the arms along.
        ({"thorax": (0, 0, 90)}, "lclavicle", (-2.1, 15 + 5.8 + 3.5, 0)),
    ],
)
def test_turned_bones_reach_where_geometry_says(folder, frame, point, place):
    capture = amc(folder, [{}, frame])
    np.testing.assert_allclose(capture.points[point][1], place, atol=1e-9)
    assert capture.at_rest.tolist() == [True, "root" in frame and not any(frame["root"][3:])]


def test_bvh_joints_are_where_geometry_says(tmp_path):
    left_arm = 6 + 3 * 3  # after chest, neck and head
    rows = [
        {},
        {0: 1.0, 2: 2.0},
        {left_arm: 90.0},  # lShldr about z: the arm goes from the side to up
        {left_arm: 90.0, left_arm + 3: -90.0},  # and the forearm to the side again
        {4: 90.0},  # the body about y
        {3: 90.0, 5: 90.0},  # z, then x of the turned frame
    ]
    write_bvh(tmp_path / "1_01.bvh", rows)
    capture = read_bvh(tmp_path / "1_01.bvh")
    assert capture.fps == pytest.approx(120, rel=1e-5)
    points = capture.points
    np.testing.assert_allclose(points["lHand"][0], (11.9, 23, 0), atol=1e-9)
    np.testing.assert_allclose(points["head.end"][1], (1, 15 + 13.2, 2), atol=1e-9)
    np.testing.assert_allclose(points["lForeArm"][2], (3.5, 23 + 5, 0), atol=1e-9)
    np.testing.assert_allclose(points["lHand"][2], (3.5, 23 + 8.4, 0), atol=1e-9)
    np.testing.assert_allclose(points["lHand"][3], (3.5 + 3.4, 23 + 5, 0), atol=1e-9)
    np.testing.assert_allclose(points["lShin"][4], (0, 15 - 7.2, -1.6), atol=1e-9)
    np.testing.assert_allclose(points["chest"][5], (0, 15, 4), atol=1e-9)
    assert capture.at_rest.tolist() == [True, True, False, False, False, False]


def test_a_clip_is_seventeen_joints_in_metres_with_z_up_at_40_hertz(folder):
    frames = [{"root": (0, 15, 0.1 * t, 0, 0, 0)} for t in range(31)]
    write_amc(folder / "07_01.amc", frames)
    positions = read_clip(folder / "07_01.amc", 120.0, CMU_UNIT)
    assert positions.shape == (11, 17, 3)
    np.testing.assert_allclose(
        positions[:, AT("Hip")], [(0, -0.3 * t * CMU_UNIT, 15 * CMU_UNIT) for t in range(11)]
    )
    np.testing.assert_allclose(
        positions[0, AT("LWrist")], np.array([11.9, 0, 22.9]) * CMU_UNIT, atol=1e-12
    )
    np.testing.assert_allclose(
        positions[0, AT("RFoot")], np.array([-1.6, 0, 0.4]) * CMU_UNIT, atol=1e-12
    )
    for name, height in {"Spine": 18.8, "Thorax": 22.9, "Nose": 26.3, "Head": 28.1}.items():
        assert positions[0, AT(name), 2] == pytest.approx(height * CMU_UNIT)


def walking(count, flip=()):
    """The root walks; in some frames the trunk flips over."""
    frames = []
    for t in range(count):
        frame = {"root": (0.02 * t, 15, 0, 0, 0, 0), "lfemur": (10 * np.sin(t / 20), 0, 0)}
        if t in flip:
            frame["lowerback"] = (180, 0, 0)
        frames.append(frame)
    return frames


def test_frames_with_joints_that_flip_over_are_dropped(folder):
    write_amc(folder / "07_01.amc", walking(60, flip=(30,)))
    positions = read_clip(folder / "07_01.amc", 120.0, CMU_UNIT)
    good = steady(positions)
    assert np.flatnonzero(~good).tolist() == [10, 11]
    arrays, dropped = build(folder)
    assert dropped == 2
    assert len(arrays["positions_3d"]) == 18
    slow = positions.copy()
    slow[15:, AT("Nose"), 2] += 0.06
    assert np.flatnonzero(~steady(slow)).tolist() == [10, 11, 15, 16, 17, 18, 19]


def test_the_t_pose_of_conversions_is_dropped(tmp_path):
    hip = {t: {0: 0.02 * t, 6: 1.0} for t in range(4, 40)}
    write_bvh(tmp_path / "05_02.bvh", [hip.get(t, {}) for t in range(40)])
    positions = read_clip(tmp_path / "05_02.bvh", 120.0, CMU_UNIT)
    assert len(positions) == 12
    assert positions[0, AT("Hip"), 0] == pytest.approx(0.08 * CMU_UNIT)


def test_the_command_makes_a_file_that_loads(folder, capsys):
    (folder / "deep").mkdir()
    write_asf(folder / "deep" / "12.asf")
    write_amc(folder / "deep" / "12_03.amc", walking(30))
    write_amc(folder / "07_01.amc", walking(60))
    write_bvh(folder / "07_01.bvh", [{6: 1.0}] * 9)  # the AMC wins
    write_bvh(folder / "12_11.bvh", [{6: 1.0}] * 9)
    (folder / "actions.csv").write_text("07_01,walk\n12_03, run\n")
    out = folder / "out" / "cmu17.npz"
    more = ["--out", str(out), "--actions", str(folder / "actions.csv")]
    main(["build-cmu17", str(folder), *more])
    assert "33 frames in 3 clips of 2 performers at 40 Hz; 0 frames" in capsys.readouterr().out
    motion = load_cmu17(out)
    assert [(c.name, c.action, c.performer) for c in motion.clips] == [
        ("07_01", "walk", 7),
        ("12_03", "run", 12),
        ("12_11", "unknown", 12),
    ]
    held_out = held_out_frames(motion)
    train, test = motion.select(~held_out), motion.select(held_out)
    assert (len(train), len(test)) == (13, 20)
    network = ["--network", "mlp", "--channels", "4", "--epochs", "1", "--device", "cpu"]
    data = ["--data", "cmu17", "--data-path", str(out)]
    main(["train", *network, *data, "--out", str(folder / "run")])
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert metrics["split"]["test_clips"] == ["07_01"]


def edited(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("07.asf", ":bonedata", ":bones", "no section :bonedata"),
        ("07.asf", "root lhipjoint", "pelvis lhipjoint", "names 'pelvis' before its parent"),
        ("07.asf", "length 7.2", "length long", "could not convert"),
        ("07.asf", "name ltibia", "name lshin", "ltibia"),
        ("07_01.amc", "ltibia 0", "ltibia 0 0", "line .*2 numbers for ltibia; .* 1 numbers"),
        ("07_01.amc", "ltibia 0", "tail 0", "1 numbers for tail; the skeleton has no such bone"),
        ("07_01.amc", "ltibia 0", "ltibia x", "line 7: could not convert"),
        ("07_01.amc", "ltibia 0\n", "", "ltibia has 2 of 3 frames; the file is cut off"),
    ],
)
def test_damaged_acclaim_files_are_explained(folder, name, old, new, message):
    write_amc(folder / "07_01.amc", [{}] * 3)
    edited(folder / name, old, new)
    with pytest.raises(ValueError, match=message) as caught:
        build(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HIER", "no BVH file"),
        ("Frames: 3", "Frames: 4", "need 204 numbers, it has 153; the file is cut off"),
        ("Frames:", "Count:", "lacks 'Frames:'"),
        ("CHANNELS 3", "CHANELS 3", "'CHANELS' has no meaning there"),
        ("Zrotation Xrotation", "Wrotation Xrotation", "channel 'Wrotation' is unknown"),
        ("End Site", "End Site {", "is not closed"),
        ("Frame Time: 0.00833333", "Frame Time: 0.0333333", "30 frames a second, .* no multiple"),
        ("JOINT lThigh", "JOINT thigh", "its bones are hip, chest, .*expected the names"),
    ],
)
def test_damaged_bvh_files_are_explained(tmp_path, old, new, message):
    write_bvh(tmp_path / "1_01.bvh", [{6: 1.0}] * 3)
    edited(tmp_path / "1_01.bvh", old, new)
    with pytest.raises(ValueError, match=message):
        build(tmp_path)


def test_wrong_folders_units_and_lists_are_explained(folder):
    with pytest.raises(ValueError, match=r"there are no files PERFORMER_TAKE.amc or .bvh"):
        build(folder)
    write_bvh(folder / "1_01.bvh", [{6: 1.0}] * 3)
    with pytest.raises(ValueError, match="the positions are in inches"):
        build(folder, bvh_unit=CMU_UNIT * 39.37)
    write_amc(folder / "08_01.amc", [{}])
    with pytest.raises(ValueError, match=r"there is no file .*08.asf"):
        build(folder)
    (folder / "actions.csv").write_text("07_01\n")
    with pytest.raises(ValueError, match="line 1: 1 columns, expected CLIP,ACTION"):
        read_actions(folder / "actions.csv")
    with pytest.raises(ValueError, match="there is no file"):
        read_actions(folder / "none.csv")


def test_a_thorax_without_length_is_refused(folder):
    capture = amc(folder, [{}])
    renamed = {
        "LeftUpLeg": "lhipjoint", "LeftLeg": "lfemur", "LeftFoot": "ltibia",
        "LeftArm": "lclavicle", "LeftForeArm": "lhumerus", "LeftHand": "lradius",
        "Spine": "lowerback", "Spine1": "upperback", "Neck": "thorax", "Head": "upperneck",
        "Head.end": "head",
    }  # fmt: skip
    points = {new: capture.points[old] for new, old in renamed.items()}
    points |= {
        new.replace("Left", "Right"): capture.points["r" + old[1:]]
        for new, old in renamed.items()
        if new.startswith("Left")
    }
    capture.points.clear()
    capture.points.update(points)
    assert seventeen(capture, "x").shape == (1, 17, 3)
    capture.points["Neck"] = capture.points["Spine1"]
    with pytest.raises(ValueError, match="'thorax' has no length"):
        seventeen(capture, "x")


MOTIONBUILDER = {
    "Hips": "root", "LHipJoint": "lhipjoint", "LeftUpLeg": "lfemur", "LeftLeg": "ltibia",
    "LowerBack": "lowerback", "Spine": "upperback", "Spine1": "thorax", "Neck": "lowerneck",
    "Neck1": "upperneck", "Head": "head", "LeftShoulder": "lclavicle", "LeftArm": "lhumerus",
    "LeftForeArm": "lradius",
}  # fmt: skip
ENDS = {"ltibia": "LeftFoot", "lradius": "LeftHand", "rtibia": "RightFoot", "rradius": "RightHand"}


def write_motionbuilder(path, frames, lost=("thorax",)):
    """The motion of write_amc as MotionBuilder's conversion has it: a joint where a bone begins."""
    names = {bone: name for name, bone in MOTIONBUILDER.items()}
    names |= {
        "r" + bone[1:]: name.replace("Left", "Right").replace("LHip", "RHip")
        for bone, name in list(names.items())
        if bone[0] == "l" and name[:1] == "L" and bone not in ("lowerback", "lowerneck")
    }
    reach = {b[0]: np.multiply(b[2], b[3]) for b in BONES}
    turns = "CHANNELS 3 Zrotation Yrotation Xrotation"
    order = []

    def joint(bone, parent):
        order.append(bone)
        offset = np.zeros(3) if parent in (*lost, "root") else reach[parent]
        inner = "".join(joint(b[0], bone) for b in BONES if b[1] == bone)
        end = "End Site { OFFSET 0 0 0 }"
        if bone in ENDS:
            order.append(None)
            inner = (
                f"JOINT {ENDS[bone]} {{ OFFSET {' '.join(map(str, reach[bone]))} {turns} {end} }}"
            )
        elif not inner:
            inner = f"End Site {{ OFFSET {' '.join(map(str, reach[bone]))} }}"
        text = f"OFFSET {' '.join(map(str, offset))} {turns} {inner} }}\n"
        return f"JOINT {names[bone]} {{ {text}"

    body = "".join(joint(b[0], "root") for b in BONES if b[1] == "root")
    channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation"
    rows = []
    for frame in frames:
        x, y, z, *turn = frame.get("root", (0, 15, 0, 0, 0, 0))
        row = [x, y, z, *reversed(turn)]
        for bone in order:
            axes = next((b[5].split() for b in BONES if b[0] == bone), [])
            turned = dict(zip(axes, frame.get(bone, [0] * len(axes)), strict=True))
            row += [turned.get(axis, 0) for axis in ("rz", "ry", "rx")]
        rows.append(" ".join(map(str, row)))
    head = f"HIERARCHY ROOT Hips {{ OFFSET 0 0 0 {channels} {body} }}"
    text = [head, "MOTION", f"Frames: {len(rows)}", "Frame Time: 0.00833333", *rows, ""]
    path.write_text("\n".join(text))


def turning(count):
    """A walker who bends and turns the trunk, so that the thorax points to many sides."""
    return [
        {
            "root": (0.02 * t, 15, 0, 0, 2 * t, 0), "lfemur": (10 * np.sin(t / 9), 0, 0),
            "lowerback": (5 + t / 3, 0, 0), "thorax": (t / 2, t / 4, -t / 3), "rhumerus": (0, t, t),
        }
        for t in range(1, count)
    ]  # fmt: skip


@pytest.mark.parametrize("length", [None, 2.1])
def test_a_thorax_that_a_conversion_lost_is_given_one(folder, length):
    write_amc(folder / "07_01.amc", turning(60))
    write_motionbuilder(folder / "07_02.bvh", turning(60))
    thorax = None if length is None else length * CMU_UNIT
    arrays, dropped = build(folder, thorax=thorax)
    assert dropped == 0
    assert arrays["clip_source"].tolist() == ["asf/amc", f"bvh, {GIVEN_THORAX}"]
    true, mended = (arrays["positions_3d"][arrays["clip"] == clip] for clip in (0, 1))
    # The bone below it measures 2.0, so by default the thorax is 0.1 units too short.
    apart = np.linalg.norm(mended - true, axis=-1) / CMU_UNIT
    above = [
        "Thorax",
        "Nose",
        "Head",
        *(s + j for s in "LR" for j in ("Shoulder", "Elbow", "Wrist")),
    ]
    upper = np.isin(CMU17_JOINTS, above)
    assert upper.sum() == 9
    np.testing.assert_allclose(apart[:, ~upper], 0, atol=1e-4)
    np.testing.assert_allclose(apart[:, upper], 0.1 if length is None else 0, atol=1e-4)


def test_a_spine_without_any_length_needs_one(folder):
    write_motionbuilder(folder / "07_02.bvh", turning(20), lost=("thorax", "upperback"))
    with pytest.raises(ValueError, match=r"07_02.bvh .*'thorax' has no length.* --thorax METRES"):
        build(folder)
    arrays, _ = build(folder, thorax=0.12)
    at = [AT("Thorax"), AT("Spine")]
    length = np.linalg.norm(np.diff(arrays["positions_3d"][:, at], axis=1), axis=-1)
    np.testing.assert_allclose(length, 0.12, atol=1e-5)


def test_the_command_says_that_a_thorax_was_made(folder, capsys):
    write_motionbuilder(folder / "07_02.bvh", turning(20))
    main(["build-cmu17", str(folder), "--out", str(folder / "cmu17.npz")])
    assert "in 1 clips the thorax had no length and was made as long as" in capsys.readouterr().out
    with pytest.raises(ValueError, match="thorax"):
        build(folder, thorax=-1.0)
