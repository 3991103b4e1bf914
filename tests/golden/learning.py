"""Reference values for the learning code, written to learning.json beside this file.

Needs numpy and torch (everything runs in float64 with torch's own autograd). Run: python tests/golden/learning.py
Inputs that are too long to store come from the formula `wave`, which the tests repeat.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional

torch.set_default_dtype(torch.float64)
MASK = 0xFFFFFFFF


def wave(count, frequency, phase=0.0):
    """sin(frequency · i + phase) for i = 0 … count-1."""
    return np.sin(frequency * np.arange(count) + phase)


# --- random numbers: SFC32 with integers of Python, seeded with the finaliser of MurmurHash3 ---


def finalise(value):
    value &= MASK
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & MASK
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & MASK
    return value ^ (value >> 16)


def sfc32(keys, count):
    a, b, c, d = 0x9E3779B9, 0x243F6A88, 0xB7E15162, 1
    for key in keys:
        a = finalise(a ^ key)
        b = finalise(b + a)
        c = finalise(c ^ b)
        d = (d + c) & MASK
    values = []
    for i in range(12 + count):
        t = (a + b + d) & MASK
        d = (d + 1) & MASK
        a = b ^ (b >> 9)
        b = (c + (c << 3)) & MASK
        c = (((c << 21) & MASK) | (c >> 11)) & MASK
        c = (c + t) & MASK
        if i >= 12:
            values.append(t)
    return values


def random_cases():
    for keys in ([], [0], [1], [1, 2, 3], [7, 1500, 3, 0xBA7C], [-5], [2**32 + 1]):
        bits = sfc32(keys, 6)
        uniform = [value / 2**32 for value in bits]
        normal = [
            math.sqrt(-2 * math.log(1 - first)) * math.cos(2 * math.pi * second)
            for first, second in zip(uniform[0::2], uniform[1::2])
        ]
        yield {"keys": keys, "uniform": uniform, "normal": normal}


# --- loss ---


def loss_of(logits, labels, dice_weight, labelled_in_batch):
    """Share of these voxels in the batch's loss. logits (voxel, material), labels (voxel) with 0 = unlabelled."""
    materials = logits.shape[1]
    known = labels > 0
    share = known.sum().item() / max(1, labelled_in_batch)
    cross_entropy = functional.cross_entropy(logits, labels - 1, ignore_index=-1, reduction="sum") / max(
        1, labelled_in_batch
    )
    probabilities = torch.softmax(logits, 1)[known]
    truth = functional.one_hot(labels[known] - 1, materials).to(logits.dtype)
    coefficients = [
        (2 * (probabilities[:, k] * truth[:, k]).sum() + 1) / (probabilities[:, k].sum() + truth[:, k].sum() + 1)
        for k in range(materials)
        if truth[:, k].sum() > 0
    ]
    dice = dice_weight * share * (1 - sum(coefficients) / len(coefficients)) if coefficients else torch.zeros(())
    return cross_entropy, dice


def loss_cases():
    rng = np.random.default_rng(11)
    cases = {
        "dense, three materials": (3, rng.integers(1, 4, 24), 1.0),
        "masked labels": (3, rng.integers(0, 4, 24), 1.0),
        "a material that the labels lack": (4, rng.choice([0, 1, 3], 24), 1.0),
        "one material only": (2, np.full(24, 2), 1.0),
        "dice weight 0.3": (3, rng.integers(0, 4, 24), 0.3),
        "no dice": (3, rng.integers(0, 4, 24), 0.0),
        "a single labelled voxel": (3, np.eye(1, 24, 7, dtype=int)[0] * 2, 1.0),
        "nothing labelled": (3, np.zeros(24, int), 1.0),
    }
    for name, (materials, labels, dice_weight) in cases.items():
        logits = rng.normal(0, 2, (2, 3, 4, materials)).round(4)
        if name == "masked labels":
            # Confident and wrong: a softmax without care overflows or takes the logarithm of zero.
            logits[0, 0, 0] = [90, -90, 0]
            labels[0] = 2
        tensor = torch.tensor(logits, requires_grad=True)
        truth = torch.tensor(labels)
        parts = []
        total = 0
        labelled = int((labels > 0).sum())
        for from_, to in ((0, 12), (12, 24)):
            cross_entropy, dice = loss_of(
                tensor.reshape(-1, materials)[from_:to], truth[from_:to], dice_weight, labelled
            )
            parts.append({"crossEntropy": cross_entropy.item(), "dice": dice.item()})
            total = total + cross_entropy + dice
        total.backward()
        parts_gradient = tensor.grad.numpy().ravel().tolist()
        tensor.grad = None
        cross_entropy, dice = loss_of(tensor.reshape(-1, materials), truth, dice_weight, labelled)
        (cross_entropy + dice).backward()
        yield {
            "name": name,
            "shape": list(logits.shape),
            "logits": logits.ravel().tolist(),
            "labels": labels.tolist(),
            "diceWeight": dice_weight,
            "crossEntropy": float(cross_entropy.detach()),
            "dice": float(dice.detach()),
            "gradient": tensor.grad.numpy().ravel().tolist(),
            "halves": parts,
            "halvesGradient": parts_gradient,
        }


# --- optimiser ---


def adamw_case():
    """torch.optim.AdamW with clip_grad_norm_, decay on the first half of the parameters only."""
    count, steps, max_norm = 16, 12, 1.0
    options = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-3}
    kernels = torch.nn.Parameter(torch.tensor(wave(count, 1.3)[: count // 2]))
    others = torch.nn.Parameter(torch.tensor(wave(count, 1.3)[count // 2 :]))
    optimiser = torch.optim.AdamW(
        [{"params": [kernels], "weight_decay": 0.1}, {"params": [others], "weight_decay": 0.0}], **options
    )
    trace = []
    for step in range(1, steps + 1):
        # The first gradients are longer than the limit, the later ones shorter; the rate changes too.
        gradient = torch.tensor(wave(count, 0.7, step)) * (2.0 / step)
        rate = options["lr"] * (1 + step % 3)
        for group in optimiser.param_groups:
            group["lr"] = rate
        kernels.grad = gradient[: count // 2].clone()
        others.grad = gradient[count // 2 :].clone()
        norm = torch.nn.utils.clip_grad_norm_([kernels, others], max_norm)
        optimiser.step()
        trace.append(
            {
                "learningRate": rate,
                "gradientNorm": float(norm),
                "parameters": torch.cat([kernels, others]).detach().tolist(),
            }
        )
    return {"count": count, "weightDecay": 0.1, "epsilon": options["eps"], "maxGradientNorm": max_norm, "steps": trace}


# --- a whole network, forward and backward ---


class Unet:
    """UNet on one flat parameter vector in the order in which our networks keep theirs: per convolution the kernel
    (y, x, in, out), then gain and shift or the bias; up-convolutions (y, x, out, in), then the bias."""

    def __init__(self, vector, inputs, materials, base, depth, batch_norm):
        self.vector, self.at = vector, 0
        self.inputs, self.materials, self.base, self.depth, self.batch_norm = inputs, materials, base, depth, batch_norm
        self.names = []

    def take(self, name, *shape):
        length = math.prod(shape)
        self.names.append({"name": name, "offset": self.at, "length": length})
        values = self.vector[self.at : self.at + length].reshape(shape)
        self.at += length
        return values

    def convolution(self, name, x, filters, size=3, plain=False):
        kernel = self.take(f"{name}/kernel", size, size, x.shape[1], filters).permute(3, 2, 0, 1)
        if self.batch_norm and not plain:
            gain, shift = self.take(f"{name}/gain", filters), self.take(f"{name}/shift", filters)
            x = functional.batch_norm(
                functional.conv2d(x, kernel, padding="same"), None, None, gain, shift, training=True, eps=1e-3
            )
        else:
            x = functional.conv2d(x, kernel, self.take(f"{name}/bias", filters), padding="same")
        return x if plain else torch.relu(x)

    def double(self, level, x, filters):
        x = self.convolution(f"{level}_convolution1", x, filters)
        return self.convolution(f"{level}_convolution2", x, filters)

    def forward(self, x):
        skips = []
        for level in range(self.depth):
            x = self.double(f"encoder{level}", x, self.base << level)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.double("bottleneck", x, self.base << self.depth)
        for level in reversed(range(self.depth)):
            filters = self.base << level
            kernel = self.take(f"decoder{level}_up/kernel", 2, 2, filters, x.shape[1]).permute(3, 2, 0, 1)
            x = functional.conv_transpose2d(x, kernel, self.take(f"decoder{level}_up/bias", filters), stride=2)
            x = self.double(f"decoder{level}", torch.cat([skips[level], x], 1), filters)
        return self.convolution("logits", x, self.materials, size=1, plain=True)


def parameter_count(*architecture):
    class Endless:
        def __getitem__(self, span):
            return torch.zeros(span.stop - span.start)

    network = Unet(Endless(), *architecture)
    network.forward(torch.zeros(1, architecture[0], 32, 32))
    return network.at


def network_case(name, inputs, materials, base, depth, batch_norm):
    batch, height, width = 2, 8, 12
    count = parameter_count(inputs, materials, base, depth, batch_norm)
    vector = torch.tensor(0.4 * wave(count, 1.7, 0.3) + 0.05, requires_grad=True)
    image = torch.tensor(wave(batch * height * width * inputs, 0.37)).reshape(batch, height, width, inputs)
    labels = torch.arange(batch * height * width) * 7 % (materials + 1)
    network = Unet(vector, inputs, materials, base, depth, batch_norm)
    logits = network.forward(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    cross_entropy, dice = loss_of(logits.reshape(-1, materials), labels, 1.0, int((labels > 0).sum()))
    (cross_entropy + dice).backward()
    gradient = vector.grad.numpy()
    per_tensor = []
    for entry in network.names:
        part = gradient[entry["offset"] : entry["offset"] + entry["length"]]
        per_tensor.append(
            {
                **entry,
                "norm": float(np.linalg.norm(part)),
                # Three projections tell any rearrangement of the values.
                "projections": [float(part @ wave(len(part), frequency, 0.5)) for frequency in (0.9, 1.9, 2.7)],
            }
        )
    return {
        "name": name,
        "options": {
            "inputChannels": inputs,
            "materials": materials,
            "baseFilters": base,
            "depth": depth,
            "normalisation": "batch" if batch_norm else "none",
        },
        "shape": [batch, height, width, inputs],
        "parameters": count,
        "crossEntropy": float(cross_entropy.detach()),
        "dice": float(dice.detach()),
        "firstLogits": logits.detach().reshape(-1)[:12].tolist(),
        "gradient": per_tensor,
    }


golden = {
    "madeWith": {"script": "tests/golden/learning.py", "numpy": np.__version__, "torch": torch.__version__},
    "random": list(random_cases()),
    "loss": list(loss_cases()),
    "adamW": adamw_case(),
    "networks": [
        network_case("batch normalisation", 1, 3, 2, 2, True),
        network_case("bias", 1, 3, 2, 2, False),
        network_case("three channels in, depth 1", 3, 2, 3, 1, True),
    ],
}
target = Path(__file__).with_suffix(".json")
target.write_text(json.dumps(golden, indent=1) + "\n")
print(f"{target.name}: {target.stat().st_size} bytes")
