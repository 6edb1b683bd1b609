"""Cross-view self-fusion (Kim et al. 2022) with steps 1 and 2, names as in models/cvsf."""
import torch
from torch import nn

from networks.lifting import Lifter, distances, reproject, reproject_shuffled, unit

SIZE, JOINT_SIGMA, LINE_SIGMA, THRESHOLD, CAMERA, CONSISTENCY = 64, 3.0, 2.0, 0.85, 0.1, 0.1
LEFT_HIP, RIGHT_HIP, LEFT_SHOULDER, RIGHT_SHOULDER = 11, 12, 5, 6  # of BODY_25B
# pelvis, legs, thorax, nose, head top, arms; what lies between two keypoints has both
JOINTS = [(11, 12), (12,), (14,), (16,), (11,), (13,), (15,), (5, 6), (0,), (18,), (5,), (7,), (9,), (6,), (8,), (10,)]
REFINED = [1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15]


def normalise(keypoints):
    """Canonical poses [b, v, 2, 16] and confidences [b, v, 16] of keypoints [b, v, 25, 3]."""
    places, confidences, is_found = [], [], []
    for sources in JOINTS:
        points = [keypoints[:, :, k] for k in sources]
        found = [(point[..., 2:] > 0).float() for point in points]
        total = sum(point[..., :2] * here for point, here in zip(points, found))
        places.append(total / sum(found).clamp(min=1))
        confidences.append(sum(point[..., 2] for point in points) / len(points))
        is_found.append(sum(found) > 0)
    places = torch.stack(places, 3)
    offsets = torch.where(torch.stack(is_found, 3), places - places[..., :1], torch.zeros(()))
    return unit(offsets), torch.stack(confidences, 2)


def pixel_centres():
    """Canonical coordinates of the heatmaps' pixels."""
    return (torch.arange(SIZE) - (SIZE - 1) / 2) / SIZE


def joint_heatmaps(points, confidences):
    """points [b, j, 2] -> [b, j, S, S]"""
    x, y = pixel_centres()[None, None, None], pixel_centres()[None, None, :, None]
    squared = (points[..., 0, None, None] - x) ** 2 + (points[..., 1, None, None] - y) ** 2
    return confidences[..., None, None] * torch.exp(-squared * SIZE ** 2 / (2 * JOINT_SIGMA ** 2))


def line_heatmaps(points, confidences, relative):
    """points of another view [b, j, 2], rotations from there [b, 3, 3] -> [b, j, S, S]"""
    x, y = pixel_centres()[None, None, None], pixel_centres()[None, None, :, None]
    ray = torch.cat([points, torch.zeros_like(points[..., :1])], 2) @ relative.transpose(1, 2)
    direction = relative[:, None, :2, 2]
    normal = torch.stack([-direction[..., 1], direction[..., 0]], -1) / direction.norm(dim=-1, keepdim=True)
    across = (normal * ray[..., :2]).sum(-1)
    distance = normal[..., 0, None, None] * x + normal[..., 1, None, None] * y - across[..., None, None]
    return confidences[..., None, None] * torch.exp(-distance ** 2 * SIZE ** 2 / (2 * LINE_SIGMA ** 2))


@torch.no_grad()
def refine(poses, confidences, rotations):
    """CSM, eq. (2)."""
    refined, centres = poses.clone(), pixel_centres()
    for m in range(poses.shape[1]):
        points, sure = poses[:, m, :, REFINED].transpose(1, 2), confidences[:, m, REFINED]
        maps = joint_heatmaps(points, sure)
        for n in range(poses.shape[1]):
            if n != m:
                relative = rotations[:, m] @ rotations[:, n].transpose(1, 2)
                maps = maps + line_heatmaps(poses[:, n, :, REFINED].transpose(1, 2), confidences[:, n, REFINED], relative)
        place = maps.flatten(2).argmax(2)
        found = torch.stack([centres[place % SIZE], centres[place // SIZE]], 2)
        found = torch.where((sure < THRESHOLD)[..., None], found, points)
        refined[:, m, :, REFINED] = found.transpose(1, 2)
    return refined


class Network(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.lifter = Lifter()
        self.register_buffer("handedness", torch.zeros(()))  # which the losses do not depend on

    def forward(self, given):
        """Loss of {keypoints [b, v, 25, 3], w1, w2}, eq. (7)."""
        poses, confidences = normalise(given["keypoints"])
        lifted, rotations = self.lifter(poses, confidences)
        projected = reproject(lifted, rotations)
        shuffled = reproject_shuffled(lifted, rotations)

        def against(target):
            camera = distances(target, shuffled, confidences).sum()
            return distances(target, projected, confidences).sum() + CAMERA * camera

        refined = refine(poses, confidences, rotations)
        ref = ((poses - refined).abs() * confidences[:, :, None]).sum((1, 2, 3)).mean()
        again = unit(self.lifter(refined, confidences)[0])
        consistency = (again[:, :, None] - again[:, None]).abs().sum((1, 2, 3, 4)).mean()
        return given["w1"] * (ref + against(poses)) + given["w2"] * (against(refined) + CONSISTENCY * consistency)


def make_optimizer(parameters, **options):
    return torch.optim.Adam(parameters, lr=1e-5, weight_decay=1e-5, **options)
