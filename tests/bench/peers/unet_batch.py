"""The batch that all peers train on, made once by the benchmark and read by each of them."""

import numpy as np


def read_batch(path, batch, size):
    """Returns images float32 (batch, y, x, 1) and labels uint8 (batch, y, x); label 0 is unlabelled, 1…K are materials.

    The file holds the images, then the labels, little-endian, C order.
    """
    voxels = batch * size * size
    with open(path, "rb") as file:
        images = np.frombuffer(file.read(4 * voxels), "<f4").reshape(batch, size, size, 1)
        labels = np.frombuffer(file.read(voxels), "u1").reshape(batch, size, size)
    return images.copy(), labels.copy()  # writable, which PyTorch insists on


def read_weights(path, shapes):
    """Splits a file of little-endian float32 into arrays of the given shapes, in order."""
    flat = np.fromfile(path, "<f4")
    sizes = [int(np.prod(shape)) for shape in shapes]
    if sum(sizes) != flat.size:
        raise ValueError(f"{path}: expected {sum(sizes)} weights, found {flat.size}")
    return [part.reshape(shape) for part, shape in zip(np.split(flat, np.cumsum(sizes)[:-1]), shapes)]
