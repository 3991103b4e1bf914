"""Reference features of VGG16, written to vgg16.json beside this file.

Needs numpy, keras (with TensorFlow), safetensors, and the ImageNet weights of blocks 1 and 2 as .safetensors with tensors
`block1_conv1/kernel`, `block1_conv1/bias`, …. Run: python tests/golden/vgg16.py WEIGHTS
The picture comes from the formula in `picture`, which the tests repeat.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from safetensors.numpy import load_file

HEIGHT, WIDTH = 32, 48
# Corners, edges and inside.
VOXELS = [[0, 0], [0, 47], [31, 0], [31, 47], [0, 20], [13, 0], [17, 29]]
BLOCKS_AT_SCALE = {"block1": {1: [1], }, "multi-scale": {1: [1], 2: [1], 4: [1, 2], 8: [1]}}


def picture():
    """Grey values 0…1, [y, x]; some beyond the range to be clipped."""
    i = np.arange(HEIGHT * WIDTH, dtype=np.float64)
    return (0.5 + 0.55 * np.sin(0.11 * i) * np.cos(0.037 * i + 1)).reshape(HEIGHT, WIDTH)


def layer(weights, name, filters):
    convolution = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")
    convolution.build((None, None, None, weights[f"{name}/kernel"].shape[2]))
    convolution.set_weights([weights[f"{name}/kernel"], weights[f"{name}/bias"]])
    return convolution


def main():
    weights = load_file(sys.argv[1])
    convolutions = {
        name: layer(weights, name, filters)
        for name, filters in [("block1_conv1", 64), ("block1_conv2", 64), ("block2_conv1", 128), ("block2_conv2", 128)]
    }
    grey = np.clip(picture(), 0, 1).astype(np.float32) * 255
    rgb = np.repeat(grey[None, :, :, None], 3, axis=3)
    whole = keras.applications.vgg16.preprocess_input(rgb)
    result = {"shape": [HEIGHT, WIDTH], "voxels": VOXELS, "features": {}, "largest": {}}
    for name, scales in BLOCKS_AT_SCALE.items():
        maps = []
        for scale, blocks in scales.items():
            small = keras.layers.AveragePooling2D(scale)(whole) if scale > 1 else whole
            block1 = convolutions["block1_conv2"](convolutions["block1_conv1"](small))
            if 1 in blocks:
                maps.append((scale, block1))
            if 2 in blocks:
                pooled = keras.layers.MaxPooling2D(2)(block1)
                maps.append((scale * 2, convolutions["block2_conv2"](convolutions["block2_conv1"](pooled))))
        full = [
            np.asarray(keras.layers.UpSampling2D(factor, interpolation="bilinear")(one) if factor > 1 else one)[0]
            for factor, one in maps
        ]
        joined = np.concatenate(full, axis=-1)
        assert joined.shape[:2] == (HEIGHT, WIDTH)
        result["features"][name] = [[float(f"{v:.7g}") for v in joined[y, x]] for y, x in VOXELS]
        result["largest"][name] = float(joined.max())
    Path(__file__).with_suffix(".json").write_text(json.dumps(result) + "\n")


main()
