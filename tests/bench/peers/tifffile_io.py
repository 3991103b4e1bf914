"""Reading and writing TIFF slices with tifffile: timing server.

Commands
  setup  → versions
  read   {file} → seconds, and the sum of all voxels by which the benchmark knows that both read the same
  write  {file, height, width, compression} writes a label slice of the given pattern → seconds
"""

import sys
import time

import numpy as np
import tifffile

from peer_protocol import open_answers, serve

labels = {}


def setup():
    # Compressed strips are decoded by imagecodecs where it is installed, else by the standard library.
    try:
        import imagecodecs
        codecs = imagecodecs.__version__
    except ImportError:
        codecs = "absent"
    return {
        "versions": {"tifffile": tifffile.__version__, "imagecodecs": codecs, "python": sys.version.split()[0]}
    }


def read(file):
    started = time.perf_counter()
    image = tifffile.imread(file)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "sum": int(image.sum(dtype=np.uint64)), "shape": image.shape}


def load(file):
    """Takes a label slice from a file, to be written by `write`."""
    labels["slice"] = tifffile.imread(file)
    return {"shape": labels["slice"].shape, "dtype": str(labels["slice"].dtype)}


def write(file, compression):
    started = time.perf_counter()
    tifffile.imwrite(file, labels["slice"], compression=None if compression == "none" else compression)
    return {"seconds": time.perf_counter() - started}


if __name__ == "__main__":
    answers = open_answers()
    serve({"setup": setup, "read": read, "load": load, "write": write}, answers)
