"""VoxelPose's second stage as cases/voxelpose.lua has it: root volumes, proposals, poses of the true people there."""
import torch
from torch import nn

from networks.space import ROOT, PoseNet, RootNet

JOINTS, WIDTH, REACH = 4, 4, 0.5  # metres


def match(centres, people):
    """The person whose root is nearest to each proposal, [b, c, k, 4]; weights 0 where that is too far away."""
    distances = torch.cdist(centres, people[:, :, ROOT, :3])
    nearest, who = distances.min(2)
    chosen = torch.stack([people[b, who[b]] for b in range(len(people))])
    return chosen[..., :3], chosen[..., 3] * (nearest < REACH)[..., None]


class Network(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.root_net, self.pose_net = RootNet(JOINTS, WIDTH), PoseNet(JOINTS, WIDTH)

    def forward(self, given):
        """Loss of {images: heatmaps [b, v, j, h, w], intrinsics, extrinsics, people [b, p, k, 4]}."""
        maps, people, views = given["images"], given["people"], (given["intrinsics"], given["extrinsics"])
        volume = self.root_net(maps, views)
        root = (volume - self.root_net.target(people[:, :, ROOT, :3])).square().mean()
        centres, is_found = self.root_net.propose(volume, threshold=0)
        target, weights = match(centres, people)
        weights = weights * is_found[..., None]
        error = (self.pose_net(maps, centres, views) - target).abs().mean(3)
        return root + (error * weights).sum() / weights.sum().clamp(min=1)


def make_optimizer(parameters, **options):
    return torch.optim.Adam(parameters, lr=2e-5, **options)
