"""Rotations as the pose networks have them."""
import torch
from torch.nn import functional as F


def rotation_6d_to_matrix(x):
    """Two columns one after the other [..., 6] -> [..., 3, 3]."""
    first, second = x[..., :3], x[..., 3:]
    b1 = F.normalize(first, dim=-1)
    b2 = F.normalize(second - (b1 * second).sum(-1, keepdim=True) * b1, dim=-1)
    return torch.stack([b1, b2, torch.cross(b1, b2, dim=-1)], -1)


def axis_angle_to_matrix(x):
    """Rodrigues' formula, [n, 3] -> [n, 3, 3]."""
    angle = x.square().sum(1, keepdim=True).clamp(min=1e-12).sqrt()
    axis, zero = x / angle, torch.zeros_like(angle)
    u, v, w = axis.split(1, 1)
    skew = torch.cat([zero, -w, v, w, zero, -u, -v, u, zero], 1).view(-1, 3, 3)
    sine, cosine = angle.sin()[..., None], angle.cos()[..., None]
    return torch.eye(3, device=x.device) + sine * skew + (1 - cosine) * (skew @ skew)
