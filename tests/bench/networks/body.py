"""SMPL's body function as its public implementations compute it."""
import torch
from torch import nn

ARRAYS = ["v_template", "shapedirs", "posedirs", "weights", "J_regressor", "parents"]


class Body(nn.Module):
    def __init__(self, states, chosen=None):
        """Of the arrays smpl.*; where vertices are chosen, only those are posed."""
        super().__init__()
        given = {name: states["smpl." + name] for name in ARRAYS}
        self.parents = [int(parent) for parent in given["parents"]]
        template, shapedirs = given["v_template"], given["shapedirs"].flatten(1)
        self.register_buffer("joints", given["J_regressor"] @ template)
        self.register_buffer("joint_directions", (given["J_regressor"] @ shapedirs).view(24, 3, 10))
        if chosen is None:
            chosen = torch.arange(len(template))
        self.register_buffer("template", template[chosen])
        self.register_buffer("shapedirs", given["shapedirs"][chosen])
        self.register_buffer("posedirs", given["posedirs"][chosen].flatten(0, 1).T.contiguous())
        self.register_buffer("weights", given["weights"][chosen])

    def chain(self, rotations, joints):
        """World transforms of all joints, [B, 24, 4, 4]."""
        parents = torch.tensor(self.parents[1:], device=joints.device)
        offsets = torch.cat([joints[:, :1], joints[:, 1:] - joints[:, parents]], 1)
        local = torch.cat([rotations, offsets[..., None]], 3)
        last = local.new_tensor([0, 0, 0, 1]).expand(len(local), 24, 1, 4)
        local = torch.cat([local, last], 2)
        world = [local[:, 0]]
        for j in range(1, 24):
            world.append(world[self.parents[j]] @ local[:, j])
        return torch.stack(world, 1)

    def forward(self, beta, rotations):
        """[B, 10], [B, 24, 3, 3] -> vertices [B, V, 3], joints [B, 24, 3]."""
        shaped = self.template + torch.einsum("bk,vdk->bvd", beta, self.shapedirs)
        joints = self.joints + torch.einsum("bk,jdk->bjd", beta, self.joint_directions)
        features = (rotations[:, 1:] - torch.eye(3, device=beta.device)).flatten(1)
        posed = shaped + (features @ self.posedirs).view_as(shaped)
        world = self.chain(rotations, joints)
        moved = (world[..., :3, :3] @ joints[..., None])
        relative = torch.cat([world[..., :3, :3], world[..., :3, 3:] - moved], 3)
        blended = (self.weights @ relative.flatten(2)).view(len(beta), -1, 3, 4)
        vertices = (blended[..., :3] @ posed[..., None])[..., 0] + blended[..., 3]
        return vertices, world[:, :, :3, 3]
