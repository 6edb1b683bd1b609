"""SelfPose3d's last stage as cases/selfpose3d.lua has it; equations are those of Srivastav et al. 2024."""
import itertools

import torch
from torch import nn

from networks.space import PEOPLE, ROOT, PoseNet, RootNet, project, render, turn

JOINTS, WIDTH, SIGMA, FOREGROUND, LAMBDA, ATTENTION = 3, 4, 1.0, 2, 0.01, 0.1


def mse(found, wanted):
    return (found - wanted).square().mean()


def assign(costs):
    """(row, column) pairs, of the most finite ones those of least total cost; tries all."""
    def judge(columns):
        pairs = [(row, column) for row, column in enumerate(columns) if costs[row, column].isfinite()]
        return -len(pairs), sum(costs[pair].item() for pair in pairs), pairs
    return min(judge(columns) for columns in itertools.permutations(range(costs.shape[1]), costs.shape[0]))[2]


def view_error(places, is_found, detected, side):
    """Mean absolute error in pixels of matched people in one view: places [c, k, 2], detected [p, k, 3]."""
    errors = ((places[:, None] - detected[None, ..., :2]).abs() * side / 2).mean(3)
    known = detected[..., 2]
    costs = (errors * known).sum(2) / known.sum(1).clamp(min=1)
    may_match = is_found[:, None] & (known.sum(1) > 0)
    pairs = assign(torch.where(may_match, costs.detach(), torch.full_like(costs, torch.inf)))
    return sum(costs[pair] for pair in pairs) / max(len(pairs), 1) + 0 * costs.sum()


def joint_loss(places, is_found, keypoints, turns, side):
    """Eq. (10) of one version of the pictures."""
    detected = torch.cat([turn(keypoints[..., :2], turns), keypoints[..., 2:]], -1)
    total = 0
    for sample in range(len(places)):
        of_view = torch.stack([view_error(places[sample, v], is_found[sample], detected[sample, v], side)
                               for v in range(places.shape[1])])
        kept = of_view.sort().values[:-1]
        total = total + kept.mean()
    return total / len(places)


class Network(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.heatmap_net = nn.Conv2d(3, JOINTS, 3, padding=1)
        self.attention_net = nn.Conv2d(3, JOINTS, 3, padding=1)
        self.root_net, self.pose_net = RootNet(1, WIDTH), PoseNet(JOINTS, WIDTH)

    def maps(self, network, images):
        return network(images.flatten(0, 1)).unflatten(0, images.shape[:2])

    def root_volume(self, maps, views):
        return self.root_net(maps[:, :, ROOT:ROOT + 1], views)

    def synthetic(self, given, views, side):
        """Eq. (2)."""
        places, is_seen = project(given["roots"], *views)
        maps = render(places[:, :, :, None], is_seen[..., None].to(places.dtype), side, SIGMA)
        return mse(self.root_net(maps, views), self.root_net.target(given["roots"]))

    def forward(self, given):
        """Loss of {images, images_1, images_2 [b, v, 3, s, s], affine_1, affine_2 [b, v, 2, 3], intrinsics, extrinsics,
        keypoints [b, v, p, k, 3], roots [b, p, 3]}."""
        plain, side = (given["intrinsics"], given["extrinsics"]), given["images"].shape[-1]
        turns = [given["affine_1"], given["affine_2"]]
        views = [(*plain, turns[i]) for i in range(2)]
        images = [given["images_1"], given["images_2"]]
        maps = [self.maps(self.heatmap_net, images[i]) for i in range(2)]
        volumes = [self.root_volume(maps[i], views[i]) for i in range(2)]
        centres, is_found = self.root_net.propose(volumes[1])
        poses = [self.pose_net(maps[i], centres, views[i]) for i in range(2)]
        with torch.no_grad():
            baseline = self.root_volume(self.maps(self.heatmap_net, given["images"]), plain)
        loss = self.synthetic(given, plain, side) + sum(mse(volume, baseline) for volume in volumes)  # eq. (2), (3)
        for i in range(2):
            keypoints = given["keypoints"]
            wanted = render(turn(keypoints[..., :2], turns[i]), keypoints[..., 2], side, SIGMA)
            places, is_seen = project(poses[1 - i].flatten(1, 2), *views[i])
            places = places.unflatten(2, (PEOPLE, JOINTS))
            peaks = (is_seen.unflatten(2, (PEOPLE, JOINTS)) & is_found[:, None, :, None]).to(places.dtype)
            attention = self.maps(self.attention_net, images[i]).sigmoid()
            loss = loss + (attention * (render(places, peaks, side, SIGMA) - wanted).square()).mean()  # eq. (4), (7)
            loss = loss + ATTENTION * mse(attention, 1)  # eq. (8), (11)
            loss = loss + ((maps[i] - wanted).square() * (1 + FOREGROUND * wanted)).mean()
            loss = loss + LAMBDA * joint_loss(places, is_found, keypoints, turns[i], side)
        return loss


def make_optimizer(parameters, **options):
    return torch.optim.Adam(parameters, lr=5e-5, **options)
