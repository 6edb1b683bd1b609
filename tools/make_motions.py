#!/usr/bin/env python3
"""An invented body in invented motions, as ASF with AMC and as BVH, and where NumPy finds its joints: what the readers
of scripts/mvgraph/mocap are held against. The formats' harder corners are in it: orders of axes, rotations that a bone
lacks, axes of its own, a root that is turned and moved, units, another axis that points up.

usage: tools/make_motions.py [tests/golden/motions]
"""
import json
import os
import sys

import numpy as np

FRAMES = 7
# name, parent, direction, length, axes in degrees, their order, channels
BONES = [
    ("lhipjoint", "root", (0.7, -0.7, 0.1), 2.1, (0, 0, 0), "XYZ", ""),
    ("lfemur", "lhipjoint", (0.3, -0.95, 0.02), 7.5, (0, 0, 20), "XYZ", "rx ry rz"),
    ("ltibia", "lfemur", (0.3, -0.95, -0.05), 7.1, (5, 0, 20), "ZYX", "rx"),
    ("lfoot", "ltibia", (0.1, -0.25, 0.96), 2.2, (-90, 3, 20), "XYZ", "rz rx"),
    ("ltoes", "lfoot", (0, 0, 1), 1.1, (-90, 0, 20), "XYZ", "rx"),
    ("rhipjoint", "root", (-0.7, -0.7, 0.1), 2.2, (0, 0, 0), "XYZ", ""),
    ("rfemur", "rhipjoint", (-0.3, -0.95, 0.02), 7.4, (0, 0, -20), "YZX", "rx ry rz"),
    ("rtibia", "rfemur", (-0.3, -0.95, -0.05), 7.2, (5, 0, -20), "XYZ", "rx"),
    ("rfoot", "rtibia", (-0.1, -0.25, 0.96), 2.3, (-90, -3, -20), "XZY", "rx rz"),
    ("rtoes", "rfoot", (0, 0, 1), 1.2, (-90, 0, -20), "XYZ", "rx"),
    ("lowerback", "root", (0.01, 0.99, -0.07), 2.0, (0, 0, 0), "XYZ", "rx ry rz"),
    ("upperback", "lowerback", (0, 1, -0.03), 2.1, (0, 10, 0), "XYZ", "rz ry rx"),
    ("thorax", "upperback", (0, 1, 0), 2.2, (0, 0, 0), "XYZ", "rx ry rz"),
    ("lowerneck", "thorax", (0, 0.99, 0.1), 1.5, (0, 0, 0), "XYZ", "rx ry rz"),
    ("head", "lowerneck", (0, 1, -0.05), 3.1, (0, 0, 0), "XYZ", "ry"),
    ("lclavicle", "thorax", (0.96, 0.25, -0.05), 3.4, (0, 0, 0), "XYZ", "ry rz"),
    ("lhumerus", "lclavicle", (1, 0, 0), 4.9, (180, -30, -90), "XYZ", "rx ry rz"),
    ("lradius", "lhumerus", (1, 0, 0.01), 5.0, (180, -30, -90), "XYZ", "rx"),
    ("lhand", "lradius", (1, 0, 0), 0.7, (0, 90, 90), "XYZ", "rx rz"),
    ("rclavicle", "thorax", (-0.97, 0.21, -0.09), 3.5, (0, 0, 0), "XYZ", "ry rz"),
    ("rhumerus", "rclavicle", (-1, 0, 0), 5.0, (180, 30, 90), "XYZ", "rx ry rz"),
    ("rradius", "rhumerus", (-1, 0, -0.02), 4.8, (180, 30, 90), "XYZ", "rx"),
    ("rhand", "rradius", (-1, 0, 0), 0.7, (0, -90, -90), "XYZ", "rx rz"),
]
LENGTH_UNIT = 0.5
ROOT_ORDER, ROOT_AXIS = "TX TY TZ RY RX RZ", "ZXY"
ROOT_POSITION, ROOT_ORIENTATION = (1.0, 0.5, -2.0), (0, 15, 5)

# name, parent, offset in centimetres with z up and facing -y, channels; no channels: a bone ends
JOINTS = [
    ("Hips", None, (0, 0, 0), "Yposition Xposition Zposition Zrotation Xrotation Yrotation"),
    ("Spine", "Hips", (0, 1, 11), "Zrotation Xrotation Yrotation"),
    ("Spine1", "Spine", (0, 0, 20), "Xrotation Yrotation Zrotation"),
    ("Neck", "Spine1", (0, 1, 21), "Yrotation Zrotation Xrotation"),
    ("Head", "Neck", (0, -1, 12), "Xrotation Zrotation Yrotation"),
    ("End Site", "Head", (0, 0, 18), None),
    ("LeftShoulder", "Spine1", (5, 1, 16), "Zrotation Yrotation Xrotation"),
    ("LeftArm", "LeftShoulder", (12, 0, 0), "Zrotation Yrotation Xrotation"),
    ("LeftForeArm", "LeftArm", (25, 0, -9), "Zrotation"),
    ("LeftHand", "LeftForeArm", (24, -1, -8), "Xposition Yposition Zposition Yrotation Xrotation Zrotation"),
    ("End Site", "LeftHand", (9, 0, -3), None),
    ("RightShoulder", "Spine1", (-5, 1, 16), "Zrotation Yrotation Xrotation"),
    ("RightArm", "RightShoulder", (-12, 0, 0), "Zrotation Yrotation Xrotation"),
    ("RightForeArm", "RightArm", (-25, 0, -9), "Yrotation Zrotation"),
    ("RightHand", "RightForeArm", (-24, -1, -8), "Zrotation Xrotation Yrotation"),
    ("End Site", "RightHand", (-9, 0, -3), None),
    ("LeftUpLeg", "Hips", (9, 0, -8), "Zrotation Xrotation Yrotation"),
    ("LeftLeg", "LeftUpLeg", (0, -1, -41), "Zrotation Xrotation Yrotation"),
    ("LeftFoot", "LeftLeg", (0, 2, -40), "Zrotation Xrotation Yrotation"),
    ("LeftToeBase", "LeftFoot", (0, -13, -6), "Zrotation Xrotation Yrotation"),
    ("End Site", "LeftToeBase", (0, -6, 0), None),
    ("RightUpLeg", "Hips", (-9, 0, -8), "Zrotation Xrotation Yrotation"),
    ("RightLeg", "RightUpLeg", (0, -1, -41), "Zrotation Xrotation Yrotation"),
    ("RightFoot", "RightLeg", (0, 2, -40), "Zrotation Xrotation Yrotation"),
    ("RightToeBase", "RightFoot", (0, -13, -6), "Zrotation Xrotation Yrotation"),
    ("End Site", "RightToeBase", (0, -6, 0), None),
]


def turn(axis, degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {"x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
            "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])}[axis.lower()]


def first_to_last(order, angles):
    """The matrix that turns about order[0] first; angles by axis."""
    matrix = np.eye(3)
    for axis in order:
        matrix = turn(axis, angles.get(axis.lower(), 0)) @ matrix
    return matrix


def wave(frame, k, size):
    return round(float(size * np.sin(0.9 * frame + 1.7 * k + 0.3)), 4)


def by_axis(angles):
    return dict(zip("xyz", angles))


def asf_text():
    out = ["# invented", ":version 1.10", ":name INVENTED", ":units", "  mass 1.0", f"  length {LENGTH_UNIT}", "  angle deg",
           ":documentation", "   no bone of this: begin", ":root", f"   order {ROOT_ORDER}", f"   axis {ROOT_AXIS}",
           "   position {} {} {}".format(*ROOT_POSITION), "   orientation {} {} {}".format(*ROOT_ORIENTATION), ":bonedata"]
    for i, (name, _, direction, length, axes, order, channels) in enumerate(BONES):
        out += ["  begin", f"     id {i + 1}", f"     name {name}", "     direction {} {} {}".format(*direction),
                f"     length {length}", "     axis {} {} {}  {}".format(*axes, order)]
        if channels:
            out += [f"    dof {channels}"]
            out += [("    limits " if k == 0 else "           ") + "(-160.0 160.0)" for k in range(len(channels.split()))]
        out += ["  end"]
    out += [":hierarchy", "  begin"]
    for name in ["root"] + [bone[0] for bone in BONES]:
        children = [bone[0] for bone in BONES if bone[1] == name]
        if children:
            out += ["    " + " ".join([name] + children)]
    return "\n".join(out + ["  end", ""])


def asf_frames():
    """For every frame the values of root and bones."""
    frames = []
    for f in range(FRAMES):
        values = {"root": [wave(f, 0, 4), round(17 + wave(f, 1, 1), 4), wave(f, 2, 4)] + [wave(f, k, 40) for k in (3, 4, 5)]}
        for i, bone in enumerate(BONES):
            if bone[6]:
                values[bone[0]] = [wave(f, 6 + 3 * i + k, 50) for k in range(len(bone[6].split()))]
        frames.append(values)
    return frames


def amc_text(frames):
    out = ["#!OML:ASF invented.asf", ":FULLY-SPECIFIED", ":DEGREES"]
    for f, values in enumerate(frames):
        out += [str(f + 1)] + [" ".join([name] + [repr(v) for v in row]) for name, row in values.items()]
    return "\n".join(out + [""])


def asf_places(frames):
    metre = 0.0254 / LENGTH_UNIT
    children = {bone[1] for bone in BONES}
    names, places = ["root"], []
    for bone in BONES:
        names += [bone[0]] + ([] if bone[0] in children else [bone[0] + " end"])
    for values in frames:
        root = dict(zip(ROOT_ORDER.lower().split(), values["root"]))
        axes = first_to_last(ROOT_AXIS, by_axis(ROOT_ORIENTATION))
        angles = {axis: root["r" + axis] for axis in "xyz"}
        turned = {"root": axes @ first_to_last(ROOT_AXIS, angles) @ axes.T}
        end = {"root": metre * (np.array([root["tx"], root["ty"], root["tz"]]) + np.array(ROOT_POSITION))}
        at = {"root": end["root"]}
        for name, parent, direction, length, own, order, channels in BONES:
            axes = first_to_last(order, by_axis(own))
            angles = {channel[1]: v for channel, v in zip(channels.split(), values.get(name, []))}
            turned[name] = turned[parent] @ axes @ first_to_last(order, angles) @ axes.T
            at[name] = end[parent]
            end[name] = end[parent] + metre * length * turned[name] @ np.array(direction)
            at[name + " end"] = end[name]
        places.append([at[name].tolist() for name in names])
    return {"names": names, "places": places}


def bvh_text(frames):
    out, depth = ["HIERARCHY"], {None: 0}
    open_joints = []

    def close_to(parent):
        while open_joints and open_joints[-1] != parent:
            out.append("\t" * depth[open_joints.pop()] + "}")

    for i, (name, parent, offset, channels) in enumerate(JOINTS):
        close_to(parent)
        key = name if channels else i
        depth[key] = depth[parent] + (parent is not None)
        indent = "\t" * depth[key]
        out += [indent + ("ROOT " if parent is None else "JOINT " if channels else "") + name, indent + "{",
                indent + "\tOFFSET {} {} {}".format(*offset)]
        if channels:
            out += [indent + f"\tCHANNELS {len(channels.split())} {channels}"]
        open_joints.append(key)
    close_to(None)
    out += ["MOTION", f"Frames: {len(frames)}", "Frame Time: 0.0125"]
    return "\n".join(out + [" ".join(repr(v) for row in frame for v in row) for frame in frames] + [""])


def bvh_frames():
    """For every frame the values of every joint's channels."""
    return [[[round(95 + wave(f, 9, 3), 4) if channel == "Zposition" else wave(f, 5 * i + k, 30)
              for k, channel in enumerate(channels.split())] for i, (_, _, _, channels) in enumerate(JOINTS) if channels]
            for f in range(FRAMES)]


def bvh_places(frames):
    """With homogeneous matrices, as the format is usually explained; metres."""
    names, places = [], []
    for name, parent, _, channels in JOINTS:
        names.append(name if channels else parent + " end")
    for frame in frames:
        world, rows, at = {}, iter(frame), []
        for name, parent, offset, channels in JOINTS:
            local = np.eye(4)
            local[:3, 3] = offset
            for channel, value in zip((channels or "").split(), next(rows) if channels else []):
                step = np.eye(4)
                if channel.endswith("rotation"):
                    step[:3, :3] = turn(channel[0], value)
                elif parent is None:
                    step["XYZ".index(channel[0]), 3] = value
                local = local @ step
            world[name] = (np.eye(4) if parent is None else world[parent]) @ local
            at.append((world[name][:3, 3] / 100).tolist())
        places.append(at)
    return {"names": names, "places": places}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    asf, bvh = asf_frames(), bvh_frames()
    golden = {"made_with": f"NumPy {np.__version__}", "asf": asf_places(asf), "bvh": bvh_places(bvh)}
    texts = {"invented.asf": asf_text(), "invented_01.amc": amc_text(asf), "turned.bvh": bvh_text(bvh),
             "places.json": json.dumps(golden) + "\n"}
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "tests", "golden", "motions"))
