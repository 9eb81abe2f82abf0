"""Residual networks for images with the module names of torchvision's ``resnet``.

He et al. 2016: a stem, four layers of ``BasicBlock`` or ``Bottleneck``, ``downsample`` where the
shape changes, one classifier ``fc``. The last norm of a block is ``bn2`` or ``bn3``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the image size at stride 1; the norm behind it has the bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def downsample(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """What the skip connection needs where a block changes the shape."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a skip connection."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.relu(self.bn1(self.conv1(x)))
        branch = self.bn2(self.conv2(branch))
        out: Tensor = self.relu(branch + (x if self.downsample is None else self.downsample(x)))
        return out


class Bottleneck(nn.Module):
    """A 3×3 convolution between two 1×1 ones, four times as wide outside, and a skip connection."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.downsample = downsample(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.relu(self.bn1(self.conv1(x)))
        branch = self.relu(self.bn2(self.conv2(branch)))
        branch = self.bn3(self.conv3(branch))
        out: Tensor = self.relu(branch + (x if self.downsample is None else self.downsample(x)))
        return out


class Plan(NamedTuple):
    """What a depth stands for."""

    block: type[BasicBlock | Bottleneck]
    expansion: int
    counts: tuple[int, int, int, int]


DEPTHS = {
    18: Plan(BasicBlock, 1, (2, 2, 2, 2)),
    34: Plan(BasicBlock, 1, (3, 4, 6, 3)),
    50: Plan(Bottleneck, 4, (3, 4, 6, 3)),
    101: Plan(Bottleneck, 4, (3, 4, 23, 3)),
}


class ResNet(nn.Module):
    """Images in, class logits out."""

    def __init__(self, plan: Plan, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = conv(3, width, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = width
        layers: list[nn.Sequential] = []
        for level, count in enumerate(plan.counts):
            blocks: list[nn.Module] = []
            for index in range(count):
                stride = 2 if level > 0 and index == 0 else 1
                blocks.append(plan.block(inputs, width << level, stride))
                inputs = plan.expansion * (width << level)
            layers.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def build(depth: int = 18, width: int = 16, classes: int = 10) -> ResNet:
    """A ResNet of the given depth; width 64 and 1000 classes are the published ones."""
    if depth not in DEPTHS:
        message = f"no ResNet has depth {depth}, choose one of {', '.join(map(str, DEPTHS))}"
        raise ValueError(message)
    return ResNet(DEPTHS[depth], width, classes)


def example_inputs(batch: int = 2, size: int = 64, seed: int = 0) -> Tensor:
    """A batch of square images, each value from N(0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, size, size, generator=generator)
