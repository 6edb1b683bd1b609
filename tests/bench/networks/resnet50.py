"""torchvision's ResNet-50 with PoseResNet's head of three transposed convolutions."""
import torch
from torch import nn
from torchvision import models

MEMORY_FORMAT = torch.channels_last


def make_head():
    layers, width = [], 2048
    for _ in range(3):
        layers += [nn.ConvTranspose2d(width, 256, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(256), nn.ReLU()]
        width = 256
    return nn.Sequential(*layers, nn.Conv2d(256, 17, 1))


class Network(nn.Module):
    def __init__(self, states):
        super().__init__()
        self.body, self.head = models.resnet50(), make_head()
        self.body.avgpool, self.body.fc = nn.Identity(), nn.Identity()

    def features(self, x):
        """[B, 3, 256, 256] -> [B, 2048, 8, 8]; the body's own forward flattens."""
        body = self.body
        x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
        return body.layer4(body.layer3(body.layer2(body.layer1(x))))

    def forward(self, given):
        """Loss of {images [B, 3, 256, 256], target [B, 17, 64, 64]}."""
        return (self.head(self.features(given["images"])) - given["target"]).square().mean()


def make_optimizer(parameters, **options):
    return torch.optim.AdamW(parameters, lr=2e-7, **options)
