"""Handwritten digits with deep networks that nothing normalises: does it train at all?

scikit-learn's digits: 1797 images of 8×8 pixels, ten classes; a quarter is for testing, another one with each seed.
"""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

from initrules.ablation.training import Initialise, Log
from initrules.factory import build

EXAMPLES = Path(__file__).parents[1]
PIXELS, CLASSES, BATCH = 64, 10, 64


def mlp(depth: int, width: int = 64) -> nn.Sequential:
    """``depth`` Linear layers with ReLU between them."""
    widths = [PIXELS] + [width] * (depth - 1)
    hidden = [part for i in range(depth - 1) for part in (nn.Linear(widths[i], width), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(width, CLASSES))


def resnet(blocks: int, width: int = 8) -> nn.Module:
    """The residual network without normalisation of ``examples/fixup.py``: 3 levels of ``blocks`` blocks."""
    made = build(f"{EXAMPLES / 'fixup.py'}:build", {"blocks": blocks, "width": width}, device="cpu")
    assert isinstance(made, nn.Module)
    return made


def data(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, test images and labels; images (n, 3, 8, 8), each pixel about N(0, 1)."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images, labels, test_size=0.25, random_state=seed, stratify=labels)
    mean, std = parts[0].mean(), parts[0].std()
    train, test = (torch.as_tensor((part - mean) / std).float().view(-1, 1, 8, 8) for part in parts[:2])
    return train, torch.as_tensor(parts[2]), test, torch.as_tensor(parts[3])


def train(
    initialise: Initialise, seed: int, log: Log, *, network: str, depth: int, epochs: int, learning_rate: float
) -> dict[str, float]:
    """Train one network by SGD with momentum 0.9. Metrics: test accuracy, and the training loss at the end."""
    images, labels, test_images, test_labels = data(seed)
    if network == "resnet":
        images, test_images = images.expand(-1, 3, -1, -1), test_images.expand(-1, 3, -1, -1)
    model = resnet(depth) if network == "resnet" else mlp(depth)
    plan = initialise(model)
    log.outputs(logits=model(images))
    optimizer = torch.optim.SGD([{**group} for group in plan.param_groups(lr=learning_rate)], momentum=0.9)
    loss = torch.zeros(())
    for epoch in range(epochs):
        losses = []
        for batch in torch.split(torch.randperm(len(images)), BATCH):
            loss = functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            optimizer.step()
        log.gradients(epoch + 1, network=model)  # of the last batch
        log(epoch + 1, loss=torch.stack(losses).mean(), accuracy=accuracy(model, test_images, test_labels))
    return {"accuracy": accuracy(model, test_images, test_labels), "loss": float(torch.stack(losses).mean())}


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images whose largest logit is the label's."""
    return float((model(images).argmax(1) == labels).float().mean())
