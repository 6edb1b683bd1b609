"""SMPLify's prior over body poses as SPIN computes it: of a mixture whose numbers are a formula, penalties and their
gradients at axis-angle poses, and the components that count. Read by tests/spec/pose_mixture_spec.lua.

    {"count": components M, "poses": B, "penalties": [B], "chosen": [B], "gradients": [B * 69]}

means = wave([M, 69], 1, 0.4), covars = 0.05 I + A A^T / 345 of A = wave([M, 69, 69], 2), weights = 1 / M + 0.03 m,
poses = wave([B, 69], 5, 0.9).
"""
import math

import torch

from golden.common import numbers, wave

COUNT, POSES, DIMS = 4, 6, 69


def golden():
    means = wave([COUNT, DIMS], 1, 0.4)
    factors = wave([COUNT, DIMS, DIMS], 2)
    covariances = 0.05 * torch.eye(DIMS) + factors @ factors.transpose(1, 2) / 345
    weights = 1 / COUNT + 0.03 * torch.arange(COUNT)
    roots = torch.linalg.det(covariances).sqrt()
    scaled = weights / ((2 * math.pi) ** (DIMS / 2) * (roots / roots.min()))
    poses = wave([POSES, DIMS], 5, 0.9).requires_grad_()
    offset = poses[:, None] - means
    distance = torch.einsum("bmi,mij,bmj->bm", offset, torch.linalg.inv(covariances), offset)
    penalties, chosen = (0.5 * distance - scaled.log()).min(1)
    penalties.sum().backward()
    return {"count": COUNT, "poses": POSES, "penalties": numbers(penalties), "chosen": chosen.tolist(),
            "gradients": numbers(poses.grad)}
