"""The benchmark network in PyTorch: training-step and prediction timing server.

Same commands as keras_unet.py. Both memory layouts are tried at set-up and the faster one is kept.
"""

import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from peer_protocol import open_answers, serve
from unet_batch import read_batch, read_weights
from variants import WARM_UP_STEPS, choose_fastest

DEPTH = 4


class DoubleConvolution(nn.Sequential):
    def __init__(self, inputs, filters, batch_norm, momentum, epsilon):
        steps = []
        for channels in (inputs, filters):
            steps.append(nn.Conv2d(channels, filters, 3, padding=1, bias=not batch_norm))
            if batch_norm:
                # PyTorch's momentum is the share of the new value, Keras's that of the old one.
                steps.append(nn.BatchNorm2d(filters, eps=epsilon, momentum=1 - momentum))
            steps.append(nn.ReLU(inplace=True))
        super().__init__(*steps)


class UNet(nn.Module):
    """UNet of 18 3×3 convolutions; (batch, channel, y, x) with y and x divisible by 16 → logits."""

    def __init__(self, channels, materials, base_filters, batch_norm=False, momentum=0.9, epsilon=1e-3):
        super().__init__()
        widths = [base_filters * 2**level for level in range(DEPTH + 1)]
        settings = (batch_norm, momentum, epsilon)
        self.encoder = nn.ModuleList(
            DoubleConvolution(inputs, filters, *settings)
            for inputs, filters in zip([channels, *widths[:-2]], widths[:-1])
        )
        self.bottleneck = DoubleConvolution(widths[-2], widths[-1], *settings)
        self.up = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for filters in reversed(widths[:-1]):
            self.up.append(nn.ConvTranspose2d(2 * filters, filters, 2, stride=2))
            self.decoder.append(DoubleConvolution(2 * filters, filters, *settings))
        self.head = nn.Conv2d(base_filters, materials, 1)

    def forward(self, tensor):
        skips = []
        for block in self.encoder:
            tensor = block(tensor)
            skips.append(tensor)
            tensor = functional.max_pool2d(tensor, 2)
        tensor = self.bottleneck(tensor)
        for up, block, skip in zip(self.up, self.decoder, reversed(skips)):
            tensor = block(torch.cat([skip, up(tensor)], 1))
        return self.head(tensor)

    def load_channels_last(self, path):
        """Takes weights written for (y, x, in, out) kernels, in the order in which the network computes."""
        modules = [*self.encoder, self.bottleneck]
        for up, block in zip(self.up, self.decoder):
            modules += [up, block]
        modules.append(self.head)
        parameters = [parameter for module in modules for parameter in module.parameters()]
        # Both a convolution (out, in, y, x) and a transposed one (in, out, y, x) are the reverse of their Keras twin
        # (y, x, in, out) and (y, x, out, in) in the last two axes.
        order = (2, 3, 1, 0)
        shapes = [[p.shape[axis] for axis in order] if p.ndim == 4 else list(p.shape) for p in parameters]
        with torch.no_grad():
            for parameter, value in zip(parameters, read_weights(path, shapes)):
                parameter.copy_(torch.from_numpy(value.transpose(3, 2, 0, 1).copy() if value.ndim == 4 else value.copy()))


def segmentation_loss(logits, labels):
    """Mean cross-entropy over labelled voxels + soft Dice over labelled voxels, averaged over materials.

    logits (batch, material, y, x); labels int64 (batch, y, x), 0 = unlabelled.
    """
    log_probabilities = functional.log_softmax(logits, 1)
    cross_entropy = functional.nll_loss(log_probabilities, labels - 1, ignore_index=-1)
    labelled = (labels > 0).unsqueeze(1)
    truth = functional.one_hot(labels, logits.shape[1] + 1)[..., 1:].movedim(-1, 1).to(logits.dtype)
    probabilities = log_probabilities.exp() * labelled
    axes = (0, 2, 3)
    overlap = (probabilities * truth).sum(axes)
    total = probabilities.sum(axes) + truth.sum(axes)
    return cross_entropy + 1.0 - ((2.0 * overlap + 1.0) / (total + 1.0)).mean()


LAYOUTS = {"channels_first": torch.contiguous_format, "channels_last": torch.channels_last}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def to_device(images, layout):
    return torch.from_numpy(images).movedim(-1, 1).contiguous(memory_format=layout).to(DEVICE)


def describe(model, chosen, medians):
    return {
        "chosen": chosen,
        "variants": medians,
        "parameters": sum(p.numel() for p in model.parameters()),
        "device": DEVICE.upper(),
        "versions": {"torch": torch.__version__, "python": sys.version.split()[0]},
    }


class TrainingPeer:
    def setup(self, batch_path, weights, batch, size, materials, base_filters, batch_norm, momentum, epsilon,
              learning_rate, weight_decay, trials):
        self.images, self.labels = read_batch(batch_path, batch, size)
        candidates, losses = {}, {}
        for name, layout in LAYOUTS.items():
            model = UNet(1, materials, base_filters, batch_norm, momentum, epsilon)
            model.load_channels_last(weights)
            model = model.to(DEVICE, memory_format=layout).train()
            kernels = [p for p in model.parameters() if p.ndim == 4]
            others = [p for p in model.parameters() if p.ndim != 4]
            groups = [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
            optimizer = torch.optim.AdamW(
                groups, lr=learning_rate, weight_decay=weight_decay, eps=1e-7, fused=True
            )
            candidates[name] = (model, optimizer, layout)
            losses[name] = [self._step(*candidates[name])[1] for _ in range(WARM_UP_STEPS)]
        chosen, medians = choose_fastest(
            {name: lambda candidate=candidate: self._step(*candidate)[0] for name, candidate in candidates.items()},
            trials,
        )
        self.chosen = candidates[chosen]
        return {**describe(self.chosen[0], chosen, medians), "losses": losses[chosen]}

    def _step(self, model, optimizer, layout):
        started = time.perf_counter()
        images = to_device(self.images, layout)
        labels = torch.from_numpy(self.labels).to(DEVICE).long()
        optimizer.zero_grad(set_to_none=True)
        loss = segmentation_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        value = loss.item()
        return time.perf_counter() - started, value

    def step(self):
        seconds, loss = self._step(*self.chosen)
        return {"seconds": seconds, "loss": loss}


class PredictionPeer:
    def setup(self, weights, batch, size, materials, base_filters, batch_norm, momentum, epsilon, trials):
        self.images = np.random.default_rng(1).random((batch, size, size, 1), np.float32)
        candidates = {}
        for name, layout in LAYOUTS.items():
            model = UNet(1, materials, base_filters, batch_norm, momentum, epsilon)
            model.load_channels_last(weights)
            candidates[name] = (model.to(DEVICE, memory_format=layout).eval(), layout)
            self._pass(*candidates[name])
        chosen, medians = choose_fastest(
            {name: lambda candidate=candidate: self._pass(*candidate) for name, candidate in candidates.items()},
            trials,
        )
        self.chosen = candidates[chosen]
        return describe(self.chosen[0], chosen, medians)

    def _pass(self, model, layout):
        started = time.perf_counter()
        with torch.inference_mode():
            model(to_device(self.images, layout)).argmax(1).cpu().numpy()
        return time.perf_counter() - started

    def predict(self):
        return {"seconds": self._pass(*self.chosen)}


if __name__ == "__main__":
    answers = open_answers()
    training, prediction = TrainingPeer(), PredictionPeer()
    serve(
        {
            "train-setup": training.setup,
            "step": training.step,
            "predict-setup": prediction.setup,
            "predict": prediction.predict,
        },
        answers,
    )
