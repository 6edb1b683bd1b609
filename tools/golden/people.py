"""Metrics of several people's 3D poses in NumPy: average precision, recall and errors as VoxelPose has them on
Panoptic, and correct parts as on Shelf and Campus. A scene has its inputs in whole millimetres, a list of joints that
are unknown (reference) or not predicted (people), and what comes out; "nan" is not a number.
"""
import numpy as np

JOINTS = ["right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist",
          "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "upper_neck", "head_top"]
STANDING = np.array([[-120, 0, 80], [-110, 20, 480], [-100, 0, 900], [100, 0, 900], [110, 20, 480], [120, 0, 80],
                     [-260, 150, 950], [-240, 30, 1170], [-180, 0, 1420], [180, 0, 1420], [240, 30, 1170],
                     [260, 150, 950], [0, 20, 1500], [0, 30, 1720]], float)
THRESHOLDS = [25, 50, 75, 100, 125, 150]
GROUPS = {  # pairs of ends, each the mean of two joints of the list above
    "head": [[[12, 12], [13, 13]]], "torso": [[[2, 3], [12, 12]]],
    "upper_arms": [[[8, 8], [7, 7]], [[9, 9], [10, 10]]], "lower_arms": [[[7, 7], [6, 6]], [[10, 10], [11, 11]]],
    "upper_legs": [[[2, 2], [1, 1]], [[3, 3], [4, 4]]], "lower_legs": [[[1, 1], [0, 0]], [[4, 4], [5, 5]]],
}


def distances(people, there, reference):
    """Metres, [n, P, R]; infinite where there is nobody, or a known joint is not predicted."""
    known = np.isfinite(reference).all(-1)
    far = np.linalg.norm(people[:, :, None] - np.where(known[..., None], reference, 0)[:, None], axis=-1)
    total = np.where(known[:, None], far, 0).sum(-1)
    mean = total / np.maximum(known.sum(-1), 1)[:, None]
    return np.where(there[:, :, None] & known.any(-1)[:, None] & np.isfinite(mean), mean, np.inf)


def precision_recall(hits, persons, count):
    """Average precision of predictions by rank: the first hit of every person is right."""
    ranks = np.flatnonzero(hits)
    right = np.zeros(len(hits))
    right[ranks[np.unique(persons[ranks], return_index=True)[1]]] = 1
    recall = right.cumsum() / count
    precision = right.cumsum() / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return 100 * (np.diff(recall, prepend=0) * envelope).sum()


def evaluate(people, scores, reference):
    there = np.nan_to_num(scores, nan=-1) >= 0
    real = np.isfinite(reference).all(-1).any(-1)
    far = 1000 * distances(people, there, reference)
    n, _, actors = far.shape
    frames, columns = np.nonzero(there)
    order = np.argsort(-scores[frames, columns], kind="stable")
    claims = far[frames, columns][order]
    errors, persons = claims.min(1), frames[order] * actors + claims.argmin(1)
    near = errors < 500
    nearest = np.full(n * actors, np.inf)
    np.minimum.at(nearest, persons[near], errors[near])
    found = np.isfinite(nearest).reshape(n, actors)
    row = {"people": int(real.sum()), "predicted": int(there.sum())}
    if real.any():
        row["recall500"] = 100 * found.sum() / real.sum()
        row.update({f"ap{k}": precision_recall(errors < k, persons, real.sum()) for k in THRESHOLDS})
    if found.any():
        row["mpjpe_mm"] = nearest[found.ravel()].mean()
        row["mpjpe_surest_mm"] = errors[near][np.unique(persons[near], return_index=True)[1]].mean()
    sums = np.where(found, nearest.reshape(n, actors), 0).sum(1)
    means = [s / c if c else np.nan for s, c in zip(sums, found.sum(1))]
    return row, {"mpjpe_mm": means, "missed": (real.sum(1) - found.sum(1)).tolist()}


def share(right, judged):
    """Percent of every actor; [n, R, limbs]."""
    hits, count = (right & judged).sum((0, 2)), judged.sum((0, 2))
    return [100 * h / c if c else np.nan for h, c in zip(hits, count)]


def correct_parts(people, scores, reference):
    far = distances(people, np.nan_to_num(scores, nan=-1) >= 0, reference)
    taken = np.take_along_axis(people, far.argmin(1)[:, :, None, None], 1)
    taken[np.isinf(far.min(1))] = np.nan
    groups, rights, judged = {}, [], []
    for name, limbs in GROUPS.items():
        limbs = np.array(limbs)
        if limbs.max() >= people.shape[2]:
            continue
        ends, true = taken[:, :, limbs].mean(-2), reference[:, :, limbs].mean(-2)
        length = np.linalg.norm(true[..., 0, :] - true[..., 1, :], axis=-1)
        rights.append(np.linalg.norm(ends - true, axis=-1).mean(-1) <= 0.5 * length)
        judged.append(np.isfinite(length))
        groups[name] = share(rights[-1], judged[-1])
    actors = share(np.concatenate(rights, 2), np.concatenate(judged, 2))
    means = {f"pcp_{name}": own for name, own in groups.items()} | {"pcp": actors}
    row = {name: np.nanmean(own) for name, own in means.items() if np.isfinite(own).any()}
    return row, {"actors": actors, "groups": groups}


def crowd(rng, n, actors, spread):
    """Turned, moved and bent people, mm, [n, R, 14, 3]."""
    angle = rng.uniform(0, 2 * np.pi, (n, actors))
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    turns = np.stack([c, -s, zero, s, c, zero, zero, zero, one], -1).reshape(n, actors, 3, 3)
    places = rng.uniform(-spread, spread, (n, actors, 1, 3)) * [1, 1, 0]
    return STANDING @ turns.swapaxes(-1, -2) + places + rng.normal(0, 40, (n, actors, 14, 3))


def guesses(rng, truth, copies):
    """Every person predicted so often, at errors of ten to some hundred mm; in a random order, [n, R copies, 14, 3]."""
    made = np.repeat(truth, copies, 1)
    noise = np.exp(rng.uniform(np.log(8), np.log(250), made.shape[:2]))[..., None, None]
    made = made + noise * rng.normal(0, 0.6, made.shape) + noise * rng.normal(0, 0.3, made.shape[:2] + (1, 3))
    return rng.permutation(made, axis=1)


def stored(values):
    """Ten digits; lists and tables of them."""
    if isinstance(values, dict):
        return {key: stored(value) for key, value in values.items()}
    if isinstance(values, list):
        return [stored(value) for value in values]
    return "nan" if np.isnan(values) else values if isinstance(values, int) else float(f"{values:.10g}")


def flat_gaps(poses):
    return np.flatnonzero(np.isnan(poses).any(-1)).tolist()


def measure(name, people, scores, reference):
    people, reference, scores = np.rint(people), np.rint(reference), np.round(scores, 2)
    metres = [(poses / 1000).astype(np.float32).astype(float) for poses in (people, reference)]
    given = metres[0], scores.astype(np.float32).astype(float), metres[1]
    row, each = evaluate(*given)
    parts, each_part = correct_parts(*given)
    return {"name": name, "shape": list(people.shape), "actors": reference.shape[1],
            "people": np.nan_to_num(people).astype(int).ravel().tolist(), "unpredicted": flat_gaps(people),
            "scores": stored(scores.ravel().tolist()),
            "reference": np.nan_to_num(reference).astype(int).ravel().tolist(), "unknown": flat_gaps(reference),
            "row": stored(row), "each": stored(each), "parts": stored(parts), "each_part": stored(each_part)}


def golden():
    rng = np.random.default_rng(7)

    def scene(n, actors, copies, spread):
        truth = crowd(rng, n, actors, spread)
        people = guesses(rng, truth, copies)
        return people, rng.uniform(0, 1, people.shape[:2]), truth

    scenes = [measure("few people", *scene(3, 2, 1, 3000)), measure("a crowd", *scene(3, 6, 1, 500)),
              measure("duplicates", *scene(3, 3, 3, 2000))]

    people, scores, truth = scene(5, 3, 1, 2000)
    truth[1], truth[0, 2] = np.nan, np.nan
    scores[2], scores[3, :2], scores[4, 1] = np.nan, -1, 0
    scenes.append(measure("frames without people, true or predicted", people, scores, truth))

    people, scores, truth = scene(4, 3, 2, 1500)
    truth[rng.uniform(size=truth.shape[:3]) < 0.3] = np.nan
    truth[:, 2, :, 0] = np.nan  # an actor who is never there
    people[rng.uniform(size=people.shape[:3]) < 0.02] = np.nan
    scenes.append(measure("missing joints", people, scores, truth))

    people, scores, truth = scene(4, 3, 2, 1000)
    people[:, 1] = people[:, 0]
    truth[0, 2] = truth[0, 1]
    scenes.append(measure("equal scores, predictions and people", people, np.rint(3 * scores) / 4, truth))

    people, scores, truth = scene(2, 2, 1, 1000)
    scenes.append(measure("joints without a head", people[:, :, :12], scores, truth[:, :, :12]))
    scenes.append(measure("nobody there", people[:1], scores[:1], np.full_like(truth[:1], np.nan)))
    scenes.append(measure("nobody predicted", people[:1], np.full_like(scores[:1], np.nan), truth[:1]))
    return {"joints": JOINTS, "scenes": scenes}
