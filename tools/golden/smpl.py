"""SMPL's equations (Loper et al. 2015, eq. 2 to 10) on a body of formulas with SMPL's sizes: posed vertices, joints and
rows of a joint regressor. Written from the paper, a vertex and a joint at a time, apart from what mvgraph does. Read by
tests/spec/smpl_golden_spec.lua, which writes the same body into a file of SMPL's format.

    {"vertices": [B, 40, 3], "joints": [B, 24, 3], "regressed": [B, 17, 3]} of every 171st vertex

With fill(shape, start, amplitude) of golden.networks:
    v_template = fill([V, 3], 0, 0.8), shapedirs = fill([V, 3, 10], 1000, 0.03), posedirs = fill([V, 3, 207], 2000, 0.004)
    weights of vertex i: 0.4, 0.3, 0.2, 0.1 of joints (5 i + 7 k) % 24; J_regressor of joint j: 1/8 of vertices
    (263 j + 31 k) % V; regressor of row r: 200 vertices (389 r + 17 k) % V, 0.01 each and every fourth -0.01
    betas = fill([B, 10], 3000, 2), axis-angle poses = fill([B, 24, 3], 4000, 1.2)
"""
import numpy as np

from golden.networks import fill

V, B = 6890, 2
PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]


def rodrigues(w):
    angle = np.linalg.norm(w)
    x, y, z = w / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def body():
    weights, joints, regressor = np.zeros((V, 24)), np.zeros((24, V)), np.zeros((17, V))
    for i in range(V):
        for k, share in enumerate((0.4, 0.3, 0.2, 0.1)):
            weights[i, (5 * i + 7 * k) % 24] = share
    for j in range(24):
        joints[j, [(263 * j + 31 * k) % V for k in range(8)]] = 1 / 8
    for r in range(17):
        for k in range(200):
            regressor[r, (389 * r + 17 * k) % V] = -0.01 if k % 4 == 3 else 0.01
    return weights, joints, regressor


def pose(beta, theta, template, shapedirs, posedirs, weights, joint_regressor):
    """Vertices and joints, one body."""
    shaped = template + shapedirs @ beta
    rest = joint_regressor @ shaped
    rotations = [rodrigues(w) for w in theta]
    features = np.concatenate([(r - np.eye(3)).ravel() for r in rotations[1:]])
    corrected = shaped + posedirs @ features
    world = []
    for j, r in enumerate(rotations):
        local = np.eye(4)
        local[:3, :3] = r
        local[:3, 3] = rest[j] - (rest[PARENTS[j]] if j else 0)
        world.append(world[PARENTS[j]] @ local if j else local)
    posed = np.zeros((V, 3))
    for j, g in enumerate(world):
        posed += weights[:, j:j + 1] * ((corrected - rest[j]) @ g[:3, :3].T + g[:3, 3])
    return posed, np.array([g[:3, 3] for g in world])


def golden():
    def made(shape, start, amplitude):
        return fill(shape, start, amplitude, 0.0).numpy()

    arrays = [made([V, 3], 0, 0.8), made([V, 3, 10], 1000, 0.03), made([V, 3, 207], 2000, 0.004)]
    weights, joint_regressor, regressor = body()
    betas, thetas = made([B, 10], 3000, 2.0), made([B, 24, 3], 4000, 1.2)
    results = {"vertices": [], "joints": [], "regressed": []}
    for beta, theta in zip(betas, thetas):
        vertices, joints = pose(beta, theta, *arrays, weights, joint_regressor)
        results["vertices"].append(vertices[::171][:40])
        results["joints"].append(joints)
        results["regressed"].append(regressor @ vertices)
    return {key: [float(f"{x:.8g}") for x in np.array(value).ravel()] for key, value in results.items()}
