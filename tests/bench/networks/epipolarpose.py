"""EpipolarPose's 3D branch as preset `tiny` has it, of torchvision's residual blocks; soft-argmax and eq. (2)."""
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

MEMORY_FORMAT = torch.channels_last
JOINTS, DEPTH, WIDTH, METRES, SCALE = 25, 16, 16, 2.0, 64


def make_layer(inputs, outputs, stride):
    downsample = None
    if stride > 1:
        downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(BasicBlock(inputs, outputs, stride, downsample))


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        self.layer1 = make_layer(WIDTH, WIDTH, 1)
        self.layer2 = make_layer(WIDTH, 2 * WIDTH, 2)
        self.layer3 = make_layer(2 * WIDTH, 4 * WIDTH, 2)
        self.layer4 = make_layer(4 * WIDTH, 8 * WIDTH, 2)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def make_head():
    layers, width = [], 8 * WIDTH
    for _ in range(2):
        layers += [nn.ConvTranspose2d(width, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        width = 64
    return nn.Sequential(*layers, nn.Conv2d(width, JOINTS * DEPTH, 1))


def soft_argmax(maps):
    """[n, JOINTS * DEPTH, h, w] -> x, y, z from -0.5 to 0.5, [n, JOINTS, 3]."""
    n, _, h, w = maps.shape
    volume = maps.reshape(n, JOINTS, -1).softmax(2).reshape(n, JOINTS, DEPTH, h, w)
    found = []
    for size, others in ((w, (2, 3)), (h, (2, 4)), (DEPTH, (3, 4))):
        found.append((volume.sum(others) * (torch.arange(size) + 0.5)).sum(2) / size - 0.5)
    return torch.stack(found, 2)


class Network(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.body, self.head = Body(), make_head()

    def forward(self, given):
        """Loss of {images [n, 3, 64, 64], targets [B, V, JOINTS, 4]}."""
        found = soft_argmax(self.head(self.body(given["images"])))
        targets = given["targets"].reshape(-1, JOINTS, 4)
        volume = targets[..., :3] / torch.tensor([2, 2, METRES])
        weights = targets[..., 3:] * (volume.abs().amax(2, keepdim=True) < 0.5)
        distance = nn.functional.smooth_l1_loss(found * SCALE, volume * SCALE, reduction="none")
        return (distance * weights).sum() / (3 * weights.sum().clamp(min=1))


def make_optimizer(parameters, **options):
    return torch.optim.Adam(parameters, lr=1e-4, weight_decay=1e-4, **options)
