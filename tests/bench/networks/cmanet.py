"""CMANet as a user of PyTorch would write it (Li et al. 2024); names as in models/cmanet.lua, preset `paper`."""
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.swin_transformer import SwinTransformer, SwinTransformerBlock

from networks.body import Body
from networks.rotations import rotation_6d_to_matrix

VIEWS, LAMBDA, ITERATIONS, CHANNELS = 4, 0.3, 3, 768
KEYPOINTS, SMPL, BETA, SCALE, TOTAL = 5, 1, 0.001, 1, 60  # weights of the losses


class Regressor(nn.Module):
    """Iterative regressors side by side, unshared."""

    def __init__(self, states, prefix):
        super().__init__()
        for name in ("fc1_features", "fc1_parameters", "fc1_bias", "fc2_weight", "fc2_bias", "head_weight",
                     "head_bias"):
            self.register_parameter(name, nn.Parameter(torch.empty_like(states[f"{prefix}.{name}"])))

    def forward(self, features, parameters):
        """[banks, B, F], [banks, B, P] -> [banks, B, P]."""
        from_features = torch.baddbmm(self.fc1_bias, features, self.fc1_features.transpose(1, 2))
        for _ in range(ITERATIONS):
            x = F.relu(from_features + parameters @ self.fc1_parameters.transpose(1, 2))
            x = F.relu(torch.baddbmm(self.fc2_bias, x, self.fc2_weight.transpose(1, 2)))
            parameters = parameters + torch.baddbmm(self.head_bias, x, self.head_weight.transpose(1, 2))
        return parameters


class Irv(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.encoder = SwinTransformer([4, 4], 96, [2, 2, 6, 2], [3, 6, 12, 24], [8, 8], stochastic_depth_prob=0.0)
        self.encoder.head = nn.Identity()
        self.regressors = Regressor(states, "irv.regressors")
        self.regressors.register_buffer("mean", torch.empty_like(states["irv.regressors.mean"]))

    def forward(self, images):
        """[B, N, 3, S, S] -> theta [B, N, 24, 6], beta [B, N, 10], camera [B, N, 3], map [B, N, 8, 8, C]."""
        b = images.shape[0]
        pictures = images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        tokens = self.encoder.norm(self.encoder.features(pictures)).unflatten(0, (b, VIEWS))
        vectors = tokens.mean((2, 3)).transpose(0, 1)
        out = self.regressors(vectors, self.regressors.mean.expand(VIEWS, b, -1)).transpose(0, 1)
        return {"theta": out[..., :144].unflatten(2, (24, 6)), "beta": out[..., 144:154], "camera": out[..., 154:],
                "map": tokens}


class Iev(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.layer = nn.Sequential(*[SwinTransformerBlock(CHANNELS, 24, [8, 8], [shift, shift]) for shift in (0, 4)])
        self.norm = nn.LayerNorm(CHANNELS)
        self.regressor = Regressor(states, "iev.regressor")
        self.register_buffer("mean_start", torch.empty_like(states["iev.mean_start"]))

    def forward(self, irv, errors):
        """Fuses the views, tiled 2x2; starts from the body of the view that reprojects best."""
        b = errors.shape[0]
        tiles = irv["map"].view(b, 2, 2, 8, 8, CHANNELS).permute(0, 1, 3, 2, 4, 5).reshape(b, 16, 16, CHANNELS)
        vector = self.norm(self.layer(tiles)).mean((1, 2))
        best = (errors <= errors.amin(1, keepdim=True)).to(errors.dtype)
        share = (best / best.sum(1, keepdim=True)).unsqueeze(2)
        theta = (irv["theta"][:, :, 1:].flatten(2) * share).sum(1)
        beta = (irv["beta"] * share).sum(1)
        start = torch.cat([theta, beta, irv["theta"][:, :, 0].flatten(1), irv["camera"].flatten(1)], 1)
        out = self.regressor(vector[None], start[None])[0]
        return {"theta": out[:, :138].view(b, 23, 6), "beta": out[:, 138:148],
                "global": out[:, 148:172].view(b, VIEWS, 6), "camera": out[:, 172:].view(b, VIEWS, 3)}


class Keypoints(nn.Module):
    """Keypoints of the upright body, the pelvis at the origin; only vertices that some keypoint needs are posed."""

    def __init__(self, states):
        super().__init__()
        used = states["smpl.keypoint_vertices"].abs().sum(0).nonzero()[:, 0]
        self.body = Body(states, used)
        self.register_buffer("of_joints", states["smpl.keypoint_joints"])
        self.register_buffer("of_vertices", states["smpl.keypoint_vertices"][:, used])

    def forward(self, beta, rotations):
        """[n, 10], [n, 23, 3, 3] -> [n, K, 3]."""
        upright = torch.eye(3, device=beta.device).expand(len(beta), 1, 3, 3)
        vertices, joints = self.body(beta, torch.cat([upright, rotations], 1))
        root = joints[:, :1]
        return self.of_joints @ (joints - root) + self.of_vertices @ (vertices - root)


def project(points, rotation, camera, crop):
    """[b, K, 3], [b, V, 3, 3], [b, V, 3], [b, V, 3] -> [b, V, K, 2] in [-1, 1]."""
    x, y, z = (points[:, None] @ rotation.transpose(2, 3)).unbind(3)
    scale = camera[..., :1].clamp(min=1e-3)
    focal, ox, oy = crop.split(1, 2)
    depth = (z + focal / scale).clamp(min=0.1)
    x = (x + camera[..., 1:2] + ox / scale) * focal / depth - ox
    y = (y + camera[..., 2:3] + oy / scale) * focal / depth - oy
    return torch.stack([x, y], 3)


def reprojection(projected, keypoints):
    """Squared error weighted by confidences of at least LAMBDA, per view [B, N]."""
    confidence = keypoints[..., 2]
    confidence = torch.where(confidence < LAMBDA, torch.zeros_like(confidence), confidence)
    return (confidence * (projected - keypoints[..., :2]).square().sum(3)).mean(2)


def total(keypoints, smpl, beta, camera, views=1):
    """`views`: how many of them the losses sum over."""
    scale = (-10 * camera[..., 0]).exp().square().mean() * views
    return (keypoints * KEYPOINTS + smpl * SMPL + beta * BETA + scale * SCALE) * TOTAL


class Model(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.irv, self.iev, self.keypoints = Irv(states), Iev(states), Keypoints(states)

    def project_views(self, out, given):
        """Each view's own body in its own camera: rotations [B, N, 24, 3, 3], projections [B, N, K, 2]."""
        rotation = rotation_6d_to_matrix(out["theta"])
        flat = rotation.flatten(0, 1)
        points = self.keypoints(out["beta"].flatten(0, 1), flat[:, 1:])
        projected = project(points, flat[:, :1], out["camera"].flatten(0, 1)[:, None],
                            given["crop"].flatten(0, 1)[:, None])
        return rotation, projected.view(*rotation.shape[:2], -1, 2)


class StageOne(Model):
    def __init__(self, states):
        super().__init__(states)
        self.iev.requires_grad_(False)

    def forward(self, given):
        out = self.irv(given["images"])
        rotation, projected = self.project_views(out, given)
        keypoints = reprojection(projected, given["keypoints"]).mean()
        trusted = given["trusted_views"]
        target = rotation_6d_to_matrix(given["theta_views"])
        smpl = ((rotation - target).square() * trusted[..., None, None, None]).mean()
        beta = ((out["beta"] - given["beta_views"]).square() * trusted[..., None]).mean()
        return total(keypoints, smpl, beta, out["camera"])


class StageTwo(Model):
    def __init__(self, states):
        super().__init__(states)
        self.irv.requires_grad_(False)

    def forward(self, given):
        with torch.no_grad():
            irv = self.irv(given["images"])
            errors = reprojection(self.project_views(irv, given)[1], given["keypoints"])
        out = self.iev(irv, errors)
        body, turned = rotation_6d_to_matrix(out["theta"]), rotation_6d_to_matrix(out["global"])
        projected = project(self.keypoints(out["beta"], body), turned, out["camera"], given["crop"])
        keypoints = reprojection(projected, given["keypoints"]).sum(1).mean()
        off = [(body - rotation_6d_to_matrix(given["theta_opt"])).square().sum((1, 2, 3)),
               (turned - rotation_6d_to_matrix(given["global_opt"])).square().sum((1, 2, 3))]
        smpl = ((off[0] + off[1]) * given["trusted"]).mean() / (24 * 9)
        beta = ((out["beta"] - given["beta_opt"]).square() * given["trusted"][:, None]).mean()
        return total(keypoints, smpl, beta, out["camera"], turned.shape[1])


def make_optimizer(parameters, **options):
    return torch.optim.Adam(parameters, lr=1e-5, **options)
