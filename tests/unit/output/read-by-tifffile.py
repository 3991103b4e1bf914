"""Reads volumes with tifffile and prints what it finds as JSON, for read-by-tifffile.test.ts.

    python read-by-tifffile.py <file or folder>...
"""

import json
import pathlib
import sys

import numpy
import tifffile


def describe(path):
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    slices = []
    for file in files:
        with tifffile.TiffFile(file) as tiff:
            pages = [page.asarray() for page in tiff.pages]
            # The series is what a user gets from imread: it must hold every page.
            assert tiff.asarray().size == sum(page.size for page in pages), file
            slices += pages
            first = tiff.pages[0]
            colours = first.colormap
            found = {
                'bigTiff': tiff.is_bigtiff,
                'photometric': first.photometric.name,
                'resolution': [float(value) for value in first.resolution],
                'imagej': {key: tiff.imagej_metadata.get(key) for key in ('unit', 'spacing', 'slices')},
                'colours': None if colours is None else (colours[:, :4] >> 8).T.tolist(),
            }
    volume = numpy.stack(slices)
    weights = numpy.arange(1, volume.size + 1, dtype='float64').reshape(volume.shape) % 1009
    return found | {
        'shape': list(volume.shape),
        'dtype': volume.dtype.name,
        'checksum': float((volume.astype('float64') * weights).sum()),
    }


print(json.dumps([describe(pathlib.Path(argument)) for argument in sys.argv[1:]]))
