"""Two-view geometry and Procrustes alignment in double precision by OpenCV and NumPy, for tests/spec/two_views_spec.lua.
Matched points are stored with the results: they are few, and both sides need the same bits.
"""
import cv2
import numpy as np

RIGS = (  # rotation vector and translation of the second view, noise in pixels
    ((0.1, 1.4, -0.05), (-3.1, 0.2, 3.4), 0.0),
    ((0.1, 1.4, -0.05), (-3.1, 0.2, 3.4), 1.5),
    ((-0.2, -0.7, 0.3), (2.2, -0.4, 0.9), 0.7),
    ((0.05, 0.02, 0.01), (1.0, 0.1, 0.05), 0.3),
)
CAMERAS = (np.array([[1150.0, 0, 512], [0, 1148, 500], [0, 0, 1]]), np.array([[1010.0, 0, 480], [0, 1013, 515], [0, 0, 1]]))
POINTS = 24


def project(camera, points):
    x = points @ camera.T
    return x[:, :2] / x[:, 2:]


def normaliser(points):
    """Centred, with a root mean square distance of sqrt(2)."""
    centre = points.mean(0)
    k = np.sqrt(2 / ((points - centre) ** 2).sum(1).mean())
    return np.array([[k, 0, -k * centre[0]], [0, k, -k * centre[1]], [0, 0, 1]])


def homogeneous(points):
    return np.concatenate([points, np.ones((len(points), 1))], 1)


def unit(m):
    """Of norm 1, the largest element positive."""
    m = m / np.linalg.norm(m)
    return m * np.sign(m.flat[np.abs(m).argmax()])


def eight_point(a, b):
    ta, tb = normaliser(a), normaliser(b)
    u, v = homogeneous(a) @ ta.T, homogeneous(b) @ tb.T
    system = (v[:, :, None] * u[:, None, :]).reshape(len(a), 9)
    left, s, right = np.linalg.svd(np.linalg.svd(system)[2][8].reshape(3, 3))
    return unit(tb.T @ (left * [s[0], s[1], 0]) @ right @ ta)


def essential(f, ka, kb):
    left, _, right = np.linalg.svd(kb.T @ f @ ka)
    return unit((left * [1, 1, 0]) @ right)


def triangulate(rotation, translation, a, b):
    matrices = np.eye(3, 4), np.concatenate([rotation, translation.reshape(3, 1)], 1)
    x = cv2.triangulatePoints(*matrices, np.ascontiguousarray(a.T), np.ascontiguousarray(b.T))
    return (x[:3] / x[3]).T


def rays(camera, points):
    return (homogeneous(points) @ np.linalg.inv(camera).T)[:, :2]


def two_views(random, vector, translation, noise):
    points = random.uniform((-1, -1, 3.5), (1, 1, 5.5), (POINTS, 3))
    moved = points @ cv2.Rodrigues(np.array(vector))[0].T + translation
    ka, kb = CAMERAS
    a, b = (project(k, x) + noise * random.standard_normal((POINTS, 2)) for k, x in ((ka, points), (kb, moved)))
    f = eight_point(a, b)
    e = essential(f, ka, kb)
    first, second, t = cv2.decomposeEssentialMat(e)
    ra, rb = rays(ka, a), rays(kb, b)
    front, rotation, direction, _ = cv2.recoverPose(e, ra, rb, np.eye(3))
    fa = rays_fundamental(rotation, direction)
    corrected = [x[0] for x in cv2.correctMatches(fa, ra[None], rb[None])]
    return {
        "a": a, "b": b, "ka": ka, "kb": kb, "fundamental": f,
        "opencv": unit(cv2.findFundamentalMat(a, b, cv2.FM_8POINT)[0]), "is_exact": noise == 0, "essential": e,
        "rotations": [first, second], "direction": np.abs(t), "rotation": rotation, "translation": direction,
        "front": front, "linear": triangulate(rotation, direction, ra, rb), "corrected_a": corrected[0],
        "corrected_b": corrected[1], "polynomial": triangulate(rotation, direction, *corrected),
    }


def rays_fundamental(rotation, t):
    x, y, z = t.ravel()
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ rotation


def procrustes(source, target):
    a, b = source - source.mean(0), target - target.mean(0)
    left, s, right = np.linalg.svd(b.T @ a)
    flip = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation, scale = (left * flip) @ right, (s * flip).sum() / (a ** 2).sum()
    return {"source": source, "target": target, "rotation": rotation, "scale": scale,
            "translation": target.mean(0) - scale * rotation @ source.mean(0),
            "aligned": scale * source @ rotation.T + target.mean(0) - scale * rotation @ source.mean(0)}


def alignments(random):
    for mirror in (1, -1):
        source = random.standard_normal((17, 3))
        turn = cv2.Rodrigues(np.array((0.4, -2.1, 0.9)))[0]
        target = 0.8 * source * [1, 1, mirror] @ turn.T + (3, -1, 2) + 0.1 * random.standard_normal((17, 3))
        yield procrustes(source, target)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.ravel().tolist() if isinstance(value, np.ndarray) else value


def golden():
    random = np.random.default_rng(11)
    return {"made_with": f"OpenCV {cv2.__version__}, NumPy {np.__version__}, in double precision",
            "pairs": plain([two_views(random, *rig) for rig in RIGS]), "procrustes": plain(list(alignments(random)))}
