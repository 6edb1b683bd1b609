"""Rotations and shapes that follow vertices and joints, through SMPL's body function."""
import torch
from torch import nn

from networks.body import Body
from networks.rotations import rotation_6d_to_matrix


class Network(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.body = Body(states)
        self.theta, self.beta = (nn.Parameter(torch.empty_like(states[name])) for name in ("theta", "beta"))

    def forward(self, given):
        """Loss of {vertices [B, V, 3], joints [B, 24, 3]}."""
        vertices, joints = self.body(self.beta, rotation_6d_to_matrix(self.theta))
        return (vertices - given["vertices"]).square().mean() + (joints - given["joints"]).square().mean()


def make_optimizer(parameters, **options):
    return torch.optim.Adam(parameters, lr=1e-2, **options)
