"""Residual networks without normalisation, as Fixup (Zhang et al. 2019, figure 1) builds them.

Each convolution stands between scalar biases, each branch ends with a scalar multiplier; ``downsample``
is one 1×1 convolution. A branch has m = 2 layers in ``FixupBasicBlock``, 3 in ``FixupBottleneck``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the image size at stride 1; scalars around it are its biases."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def scalar(value: float) -> nn.Parameter:
    """A parameter with one entry."""
    return nn.Parameter(torch.full((1,), float(value)))


class FixupBasicBlock(nn.Module):
    """Two 3×3 convolutions and a skip connection."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bias1a, self.bias1b = scalar(0), scalar(0)
        self.conv1 = conv(inputs, width, 3, stride)
        self.bias2a, self.bias2b = scalar(0), scalar(0)
        self.conv2 = conv(width, width, 3)
        self.scale = scalar(1)
        self.downsample = conv(inputs, width, 1, stride) if stride > 1 or inputs != width else None

    def forward(self, x: Tensor) -> Tensor:
        branch = functional.relu(self.conv1(x + self.bias1a) + self.bias1b)
        branch = self.conv2(branch + self.bias2a) * self.scale + self.bias2b
        return functional.relu(branch + (x if self.downsample is None else self.downsample(x + self.bias1a)))


class FixupBottleneck(nn.Module):
    """A 3×3 convolution between two 1×1 ones, four times as wide outside, and a skip connection."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = self.expansion * width
        self.bias1a, self.bias1b = scalar(0), scalar(0)
        self.conv1 = conv(inputs, width, 1)
        self.bias2a, self.bias2b = scalar(0), scalar(0)
        self.conv2 = conv(width, width, 3, stride)
        self.bias3a, self.bias3b = scalar(0), scalar(0)
        self.conv3 = conv(width, outputs, 1)
        self.scale = scalar(1)
        self.downsample = conv(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        branch = functional.relu(self.conv1(x + self.bias1a) + self.bias1b)
        branch = functional.relu(self.conv2(branch + self.bias2a) + self.bias2b)
        branch = self.conv3(branch + self.bias3a) * self.scale + self.bias3b
        return functional.relu(branch + (x if self.downsample is None else self.downsample(x + self.bias1a)))


class FixupResNet(nn.Module):
    """Images in, class logits out: a stem, three layers of blocks, a classifier."""

    def __init__(self, block: type[FixupBasicBlock | FixupBottleneck], blocks: int, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = conv(3, width, 3)
        self.bias1 = scalar(0)
        inputs = width
        layers: list[nn.Sequential] = []
        for level in range(3):
            made: list[nn.Module] = []
            for index in range(blocks):
                made.append(block(inputs, width << level, stride=2 if level > 0 and index == 0 else 1))
                inputs = block.expansion * (width << level)
            layers.append(nn.Sequential(*made))
        self.layer1, self.layer2, self.layer3 = layers
        self.bias2 = scalar(0)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = functional.relu(self.conv1(image) + self.bias1)
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)) + self.bias2)
        return logits


def build(*, bottleneck: bool = False, blocks: int = 3, width: int = 16, classes: int = 10) -> FixupResNet:
    """A ResNet with three layers of ``blocks`` blocks; 3 basic blocks of width 16 make it a ResNet-20."""
    return FixupResNet(FixupBottleneck if bottleneck else FixupBasicBlock, blocks, width, classes)


def example_inputs(batch: int = 2, size: int = 16, seed: int = 0) -> Tensor:
    """A batch of square images, each value from N(0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, size, size, generator=generator)
