"""torchvision's Swin-T without its head."""
import torch
from torch import nn
from torchvision.models.swin_transformer import SwinTransformer

MEMORY_FORMAT = torch.channels_last


class Network(nn.Module):
    def __init__(self, states):
        super().__init__()
        whole = SwinTransformer([4, 4], 96, [2, 2, 6, 2], [3, 6, 12, 24], [7, 7], stochastic_depth_prob=0.0)
        self.features, self.norm = whole.features, whole.norm

    def forward(self, given):
        """Loss of {images [B, 3, 256, 256], target [B, 8, 8, 768]}."""
        return (self.norm(self.features(given["images"])) - given["target"]).square().mean()


def make_optimizer(parameters, **options):
    return torch.optim.AdamW(parameters, lr=1e-4, **options)
