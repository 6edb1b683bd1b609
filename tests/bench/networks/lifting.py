"""CanonPose's lifting network and losses; names as in cases/lifting.lua."""
import torch
from torch import nn
from torch.nn import functional as F

from networks.rotations import axis_angle_to_matrix

JOINTS, VIEWS, WIDTH, CAMERA_WEIGHT = 16, 4, 1024, 0.1


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return x + F.leaky_relu(self.l2(F.leaky_relu(self.l1(x))))


def compare(projected, given):
    """Reprojection error of poses of view n in view m, [b, n, m, 2, 16]."""
    flat = projected.flatten(3)
    size = flat.square().mean(3, keepdim=True).sqrt()
    distance = (flat / size - given["poses"].unsqueeze(1)).abs()
    return (distance.view_as(projected) * given["confidences"][:, None, :, None]).mean()


class Network(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.upscale, self.common = nn.Linear(3 * JOINTS, WIDTH), Block()
        self.pose, self.camera = nn.Sequential(Block(), Block()), nn.Sequential(Block(), Block())
        self.pose_head, self.camera_head = nn.Linear(WIDTH, 3 * JOINTS), nn.Linear(WIDTH, 3)

    def forward(self, given):
        """Loss of {poses [b, 4, 32], confidences [b, 4, 16]}."""
        b = given["poses"].shape[0]
        x = torch.cat([given["poses"], given["confidences"]], 2).flatten(0, 1)
        common = self.common(F.leaky_relu(self.upscale(x)))
        poses = self.pose_head(self.pose(common)).view(b, VIEWS, 1, 3, JOINTS)
        rotations = axis_angle_to_matrix(self.camera_head(self.camera(common)))
        of, into = rotations.view(b, VIEWS, 1, 3, 3), rotations.view(b, 1, VIEWS, 3, 3)[:, :, :, :2]
        relative = into @ of.transpose(3, 4)
        shuffled = relative.roll(1, 0) @ (of @ poses)
        return compare(into @ poses, given) + CAMERA_WEIGHT * compare(shuffled, given)


def make_optimizer(parameters, **options):
    return torch.optim.Adam(parameters, lr=1e-4, weight_decay=1e-5, **options)
