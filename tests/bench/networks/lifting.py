"""CanonPose's lifting network and losses; names as in models/canonpose/lifter.lua, which are the published code's."""
import torch
from torch import nn
from torch.nn import functional as F

from networks.rotations import axis_angle_to_matrix

JOINTS, VIEWS, WIDTH = 16, 4, 1024
WEIGHTS = {"reprojection": 1, "view": 1, "camera": 0.1}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return F.leaky_relu(x + F.leaky_relu(self.l2(F.leaky_relu(self.l1(x)))))


class Lifter(nn.Module):
    def __init__(self):
        super().__init__()
        self.upscale, self.res_common = nn.Linear(3 * JOINTS, WIDTH), Block()
        self.res_pose1, self.res_pose2, self.pose3d = Block(), Block(), nn.Linear(WIDTH, 3 * JOINTS)
        self.res_cam1, self.res_cam2, self.enc_rot = Block(), Block(), nn.Linear(WIDTH, 3)

    def forward(self, poses, confidences):
        """poses [b, v, 2, 16], confidences [b, v, 16] -> poses [b, v, 3, 16], rotations [b, v, 3, 3]"""
        b, v = confidences.shape[:2]
        x = self.res_common(self.upscale(torch.cat([poses.flatten(2), confidences], 2).flatten(0, 1)))
        pose = self.pose3d(self.res_pose2(self.res_pose1(x))).view(b, v, 3, JOINTS)
        axes = self.enc_rot(self.res_cam2(self.res_cam1(x)))
        return pose, axis_angle_to_matrix(axes).view(b, v, 3, 3)


def unit(poses):
    """Of Euclidean norm 1 over the last two axes."""
    return poses / poses.square().sum((-2, -1), keepdim=True).clamp(min=1e-12).sqrt()


def reproject(poses, rotations):
    """The pose of view n in view m, [b, n, m, 2, 16]."""
    return rotations[:, None, :, :2] @ poses[:, :, None]


def reproject_shuffled(poses, rotations):
    """The same with the cameras of the sample before."""
    relative = rotations[:, None, :, :2] @ rotations[:, :, None].transpose(3, 4)
    return relative.roll(1, 0) @ (rotations @ poses)[:, :, None]


def distances(target, projected, confidences):
    """Eq. (3) of CVSF for every pair, [n, m]."""
    return ((target[:, None] - unit(projected)).abs() * confidences[:, None, :, None]).sum((3, 4)).mean(0)


class Network(Lifter):
    def __init__(self, states):
        super().__init__()

    def forward(self, given):
        """Loss of {poses [b, 4, 2, 16], confidences [b, 4, 16]}."""
        target, confidences = given["poses"], given["confidences"]
        poses, rotations = super().forward(target, confidences)
        own = torch.eye(VIEWS, device=target.device)
        all_pairs = distances(target, reproject(poses, rotations), confidences)
        shuffled = distances(target, reproject_shuffled(poses, rotations), confidences)
        loss = WEIGHTS["reprojection"] / VIEWS * (all_pairs * own).sum()
        loss = loss + (WEIGHTS["view"] * all_pairs + WEIGHTS["camera"] * shuffled).mul(1 - own).sum() / (VIEWS - 1)
        return loss / (2 * JOINTS) ** 0.5


def make_optimizer(parameters, **options):
    return torch.optim.Adam(parameters, lr=1e-4, weight_decay=1e-5, **options)
