"""VoxelPose's V2V network; names as in cases/v2v.lua."""
import torch
from torch import nn
from torch.nn import functional as F

JOINTS = 15
MEMORY_FORMAT = torch.channels_last_3d


def convolution(width, to, kernel):
    return [nn.Conv3d(width, to, kernel, padding=kernel // 2), nn.BatchNorm3d(to), nn.ReLU()]


class Residual(nn.Module):
    def __init__(self, width, to):
        super().__init__()
        self.main = nn.Sequential(*convolution(width, to, 3), *convolution(to, to, 3)[:2])
        self.skip = nn.Sequential(nn.Conv3d(width, to, 1), nn.BatchNorm3d(to)) if width != to else nn.Identity()

    def forward(self, x):
        return F.relu(self.main(x) + self.skip(x))


def upsample(width, to):
    return nn.Sequential(nn.ConvTranspose3d(width, to, 2, stride=2), nn.BatchNorm3d(to), nn.ReLU())


class V2V(nn.Module):
    def __init__(self, width, to, first=16):
        """Channels of the volume, of what it becomes, and of the first layer."""
        super().__init__()
        w = first
        self.front = nn.Sequential(nn.Sequential(*convolution(width, w, 7)), Residual(w, 2 * w))
        self.skip1, self.encoder1 = Residual(2 * w, 2 * w), Residual(2 * w, 4 * w)
        self.skip2, self.encoder2 = Residual(4 * w, 4 * w), Residual(4 * w, 8 * w)
        self.middle, self.decoder2 = Residual(8 * w, 8 * w), Residual(8 * w, 8 * w)
        self.up2, self.decoder1 = upsample(8 * w, 4 * w), Residual(4 * w, 4 * w)
        self.up1, self.head = upsample(4 * w, 2 * w), nn.Conv3d(2 * w, to, 1)

    def forward(self, volume):
        """[B, width, D, H, W] -> [B, to, D, H, W]"""
        full = self.front(volume)
        half = self.encoder1(F.max_pool3d(full, 2))
        x = self.middle(self.encoder2(F.max_pool3d(half, 2)))
        x = self.up2(self.decoder2(x)) + self.skip2(half)
        x = self.up1(self.decoder1(x)) + self.skip1(full)
        return self.head(x)


class Network(V2V):
    def __init__(self, states):
        super().__init__(JOINTS, JOINTS)

    def forward(self, given):
        """Loss of {volume, target: [B, 15, 48, 48, 48]}."""
        return (super().forward(given["volume"]) - given["target"]).square().mean()


def make_optimizer(parameters, **options):
    return torch.optim.Adam(parameters, lr=1e-4, **options)
