"""What VoxelPose and SelfPose3d share: calibrated views, root_net and pose_net, in PyTorch's own terms (grid_sample,
max pooling, topk). Pictures are square, places in them from -1 to 1."""
import torch
from torch import nn
from torch.nn import functional as F

from networks.v2v import V2V

CENTRE, SIZE, PEOPLE, ROOT = (0.0, 1.0, 0.0), (4.0, 2.0, 4.0), 3, 1  # metres; C; zero-based joint
ROOT_BINS, ROOT_SIGMA, THRESHOLD = (16, 8, 12), 0.2, 0.5
POSE_SIZE, POSE_BINS, BETA = 2.0, 8, 100.0


def project(points, intrinsics, extrinsics, turns=None):
    """points [b, p, 3] -> places [b, v, p, 2], whether a view sees them [b, v, p]"""
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    own = torch.einsum("bvij,bpj->bvpi", extrinsics, homogeneous)
    is_before = own[..., 2] > 0
    depth = torch.where(is_before, own[..., 2], torch.ones_like(own[..., 2]))
    places = own[..., :2] / depth[..., None] * intrinsics[:, :, None, :1] - intrinsics[:, :, None, 1:]
    is_seen = is_before & (places.abs() < 1).all(-1)
    if turns is not None:
        places = turn(places, turns)
        is_seen = is_seen & (places.abs() < 1).all(-1)
    return places, is_seen


def turn(places, turns):
    """places [b, v, ..., 2], turns [b, v, 2, 3]"""
    flat = places.flatten(2, -2)
    return (flat @ turns[..., :2].transpose(2, 3) + turns[..., 2][:, :, None]).reshape(places.shape)


def unproject(maps, points, views):
    """maps [b, v, j, h, w], points [b, p, 3] -> [b, j, p]"""
    places, is_seen = project(points, *views)
    b, v = maps.shape[:2]
    values = F.grid_sample(maps.flatten(0, 1), places.flatten(0, 1)[:, None], align_corners=False)
    values = values.reshape(b, v, maps.shape[2], -1)
    seen = is_seen[:, :, None].to(values.dtype)
    return ((values * seen).sum(1) / (seen.sum(1) + 1e-6)).clamp(0, 1)


def axes_of(size, bins):
    return [torch.linspace(-s / 2, s / 2, n) for s, n in zip(size, bins)]


def make_grid(size, bins):
    """Offsets of voxels from the middle, [z, y, x, 3]."""
    x, y, z = axes_of(size, bins)
    zs, ys, xs = torch.meshgrid(z, y, x, indexing="ij")
    return torch.stack([xs, ys, zs], -1)


def render(places, peaks, side, sigma):
    """The highest of everybody's Gaussians: places [b, v, p, k, 2], peaks [b, v, p, k] -> [b, v, k, side, side]"""
    pixels = (torch.arange(side) + 0.5) * 2 / side - 1
    dx = (pixels - places[..., 0, None]) * side / 2
    dy = (pixels - places[..., 1, None]) * side / 2
    squared = dx[..., None, :] ** 2 + dy[..., None] ** 2
    return (peaks[..., None, None] * torch.exp(-squared / (2 * sigma ** 2))).amax(2)


class RootNet(nn.Module):
    def __init__(self, joints, width):
        super().__init__()
        self.v2v = V2V(joints, 1, width)

    def forward(self, maps, views):
        """[b, v, j, h, w] -> G [b, z, y, x]"""
        grid = make_grid(SIZE, ROOT_BINS) + torch.tensor(CENTRE)
        volume = unproject(maps, grid.reshape(1, -1, 3).expand(len(maps), -1, -1), views)
        return self.v2v(volume.reshape(*volume.shape[:2], *grid.shape[:3]))[:, 0]

    def target(self, roots):
        """roots [b, p, 3] -> G* [b, z, y, x]"""
        grid = make_grid(SIZE, ROOT_BINS) + torch.tensor(CENTRE)
        squared = (grid - roots[:, :, None, None, None]).square().sum(-1)
        return torch.exp(-squared / (2 * ROOT_SIGMA ** 2)).amax(1)

    @torch.no_grad()
    def propose(self, volume, threshold=THRESHOLD):
        """Centres [b, C, 3] and which of them were found; the others are the first, or the middle of the space."""
        is_peak = F.max_pool3d(volume[:, None], 3, 1, 1)[:, 0] == volume
        scores, at = torch.where(is_peak, volume, torch.full_like(volume, -1e9)).flatten(1).topk(PEOPLE)
        is_found = scores > threshold
        grid = (make_grid(SIZE, ROOT_BINS) + torch.tensor(CENTRE)).reshape(-1, 3)
        spare = torch.where(is_found[:, :1, None], grid[at[:, :1]], torch.tensor(CENTRE))
        return torch.where(is_found[..., None], grid[at], spare), is_found


class PoseNet(nn.Module):
    def __init__(self, joints, width):
        super().__init__()
        self.v2v = V2V(joints, joints, width)

    def forward(self, maps, centres, views):
        """maps [b, v, j, h, w], centres [b, c, 3] -> joints [b, c, j, 3]"""
        (b, c), j, bins = centres.shape[:2], maps.shape[2], POSE_BINS
        grid = make_grid((POSE_SIZE,) * 3, (bins,) * 3).reshape(-1, 3)
        cubes = [unproject(maps, centres[:, i, None] + grid, views) for i in range(c)]
        volume = self.v2v(torch.stack(cubes, 1).reshape(b * c, j, bins, bins, bins))
        chances = (BETA * volume.flatten(2)).softmax(2)
        return (chances @ grid).reshape(b, c, j, 3) + centres[:, :, None]
