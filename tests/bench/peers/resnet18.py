"""ResNet-18 (He et al., 2015) with seeded random weights: of the right size and speed, and the same in every process."""

import torch
from torch import nn
from torch.nn import functional

CLASSES = 1000
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels, stride of the first block


class Block(nn.Module):
    """Two 3 x 3 convolutions and a way around them."""

    def __init__(self, before, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.around = nn.Sequential()
        if stride != 1 or before != channels:
            self.around = nn.Sequential(nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.around(x))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        blocks, before = [], 64
        for channels, stride in STAGES:
            blocks += [Block(before, channels, stride), Block(channels, channels, 1)]
            before = channels
        self.blocks = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, CLASSES)

    def embed(self, x):
        """(N, 3, 224, 224) to (N, 512): what enters the classifier."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        return torch.flatten(self.avgpool(self.blocks(x)), 1)

    def forward(self, x):
        return self.fc(self.embed(x))


def resnet18():
    """The classifier, ready for inference. Also a factory for `driftd model export --factory resnet18:resnet18`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ResNet18().eval().requires_grad_(False)
