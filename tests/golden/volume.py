"""Makes the volume files in tests/golden/volume with tifffile and Pillow, the reference implementations.

    python tests/golden/volume.py      (needs numpy, tifffile, imagecodecs, pillow)

Voxel (z, y, x) holds (7 z + 13 y + 29 x) mod 101, minus 50 for signed types and divided by 8 for floating point. The test
computes the same, so that no values have to be stored.
"""

import pathlib
import shutil
import struct
import zlib

import numpy
import tifffile
from PIL import Image

OUT = pathlib.Path(__file__).parent / 'volume'
DEPTH, HEIGHT, WIDTH = 2, 11, 19


def volume(dtype, depth=DEPTH):
    z, y, x = numpy.mgrid[:depth, :HEIGHT, :WIDTH]
    values = (7 * z + 13 * y + 29 * x) % 101
    if not dtype.startswith('u'):
        values = values - 50
    return (values / 8 if dtype.startswith('f') else values).astype(dtype)


def write(name, data, **options):
    options.setdefault('photometric', 'minisblack')
    options.setdefault('metadata', None)
    tifffile.imwrite(OUT / f'{name}.tif', data, software=False, **options)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    for dtype in ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64']:
        write(f'{dtype}-plain', volume(dtype, 1), byteorder='<')
        write(f'{dtype}-big-endian-deflate', volume(dtype, 1), byteorder='>', compression='zlib', rowsperstrip=7)
    write('uint16-big-endian-plain-strips', volume('uint16'), byteorder='>', rowsperstrip=3)
    for codec in ['lzw', 'packbits', 'zlib']:
        write(f'uint16-{codec}', volume('uint16'), compression=codec, rowsperstrip=7)
    for codec in ['lzw', 'zlib']:
        write(f'uint16-{codec}-predictor2-big-endian', volume('uint16'), compression=codec, predictor=2, byteorder='>')
        write(f'float32-{codec}-predictor3', volume('float32'), compression=codec, predictor=3)
    write('float64-zlib-predictor3-big-endian', volume('float64', 1), compression='zlib', predictor=3, byteorder='>')
    write('uint16-tiles', volume('uint16'), tile=(16, 16))
    write('uint8-tiles-lzw-predictor2', volume('uint8'), tile=(16, 32), compression='lzw', predictor=2)
    write('int16-bigtiff', volume('int16'), bigtiff=True, compression='zlib')
    write('int16-bigtiff-big-endian-strips', volume('int16'), bigtiff=True, byteorder='>', rowsperstrip=4)
    old_deflate()

    grey = volume('uint8', 1)[0]
    rgb = numpy.stack([grey] * 3, axis=-1)
    write('rgb-equal', rgb, photometric='rgb', compression='zlib', predictor=2)
    write('rgb-planar-equal', numpy.stack([grey] * 3), photometric='rgb', planarconfig='separate')
    rgba = numpy.concatenate([rgb, numpy.full((HEIGHT, WIDTH, 1), 255, 'uint8')], axis=-1)
    write('rgba-equal', rgba, photometric='rgb', extrasamples=['unassalpha'])
    colour = rgb.copy()
    colour[4, 5, 1] ^= 1
    write('rgb-colour', colour, photometric='rgb')
    write('miniswhite', grey, photometric='miniswhite')
    table = (numpy.arange(3 * 256).reshape(3, 256) * 257 % 65536).astype('uint16')
    write('palette', grey % 4, photometric='palette', colormap=table)
    write('bilevel', grey > 50, photometric='minisblack')
    tifffile.imwrite(
        OUT / 'imagej.tif',
        volume('uint16'),
        imagej=True,
        resolution=(1 / 0.65, 1 / 0.6),
        metadata={'unit': 'um', 'spacing': 2.5, 'axes': 'ZYX'},
    )
    tifffile.imwrite(
        OUT / 'ome.ome.tif',
        volume('uint16'),
        metadata={
            'axes': 'ZYX',
            'PhysicalSizeX': 65.0,
            'PhysicalSizeXUnit': 'nm',
            'PhysicalSizeY': 0.066,
            'PhysicalSizeYUnit': 'µm',
            'PhysicalSizeZ': 0.2,
            'PhysicalSizeZUnit': 'µm',
        },
    )
    tifffile.imwrite(
        OUT / 'ome-channels.ome.tif', volume('uint8')[:, None], metadata={'axes': 'CZYX'}
    )
    tifffile.imwrite(OUT / 'shaped-truncated.tif', volume('uint16'), truncate=True, software=False)
    write('centimetre', volume('uint8', 1), resolution=(2000.0, 1000.0), resolutionunit='CENTIMETER')
    write('screen-dpi', volume('uint8', 1), resolution=(300, 300), resolutionunit='INCH')
    imagej_contiguous()

    Image.fromarray(grey).save(OUT / 'grey8.png')
    Image.fromarray(volume('uint16', 1)[0]).save(OUT / 'grey16.png')
    Image.fromarray(rgba).save(OUT / 'rgba-equal.png')
    Image.fromarray(colour).save(OUT / 'rgb-colour.png')
    indexed = Image.fromarray(grey % 4, mode='P')
    indexed.putpalette([200, 30, 30, 30, 200, 30, 30, 30, 200, 0, 0, 0])
    indexed.save(OUT / 'palette.png', bits=2)
    Image.fromarray(grey > 50).save(OUT / 'bilevel.png')
    Image.fromarray(grey).save(OUT / 'micrometre.png', dpi=(25400 / 2.5, 25400 / 2.5))
    Image.fromarray(grey).save(OUT / 'screen-dpi.png', dpi=(72, 72))


def old_deflate():
    """Compression 32946, which tifffile reads but does not write: patched into the tag of a deflated file."""
    write('uint8-deflate-32946', volume('uint8', 1), compression='zlib')
    path = OUT / 'uint8-deflate-32946.tif'
    data = bytearray(path.read_bytes())
    entry = data.index(struct.pack('<HHI', 259, 3, 1))
    data[entry + 8 : entry + 10] = struct.pack('<H', 32946)
    path.write_bytes(data)
    assert (tifffile.imread(path) == volume('uint8', 1)[0]).all()


def imagej_contiguous():
    """An ImageJ stack with one directory for all of its images, as ImageJ writes them above 4 GB."""
    pixels = volume('uint16').astype('>u2').tobytes()
    description = f'ImageJ=1.53t\nimages={DEPTH}\nslices={DEPTH}\nunit=micron\nspacing=3.0\nloop=false\n\0'.encode()
    tags = [
        (256, 4, 1, WIDTH),
        (257, 4, 1, HEIGHT),
        (258, 3, 1, 16 << 16),
        (262, 3, 1, 1 << 16),
        (270, 2, len(description), 150),
        (273, 4, 1, 400),
        (277, 3, 1, 1 << 16),
        (278, 3, 1, HEIGHT << 16),
        (279, 4, 1, WIDTH * HEIGHT * 2),
    ]
    header = b'MM\0*' + struct.pack('>IH', 8, len(tags))
    header += b''.join(struct.pack('>HHII', *tag) for tag in tags) + struct.pack('>I', 0)
    header = header.ljust(150, b'\0') + description
    path = OUT / 'imagej-contiguous.tif'
    path.write_bytes(header.ljust(400, b'\0') + pixels)
    assert (tifffile.imread(path) == volume('uint16')).all()


if __name__ == '__main__':
    main()
    print(sum(f.stat().st_size for f in OUT.iterdir()), 'bytes')
