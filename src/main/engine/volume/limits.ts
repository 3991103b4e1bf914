/**
 * Limits on what a file header may ask for. Every header is taken as hostile: a number is compared with these and with the
 * size of the file before anything is allocated for it.
 */

/** Voxels along one edge of a slice. The widest stitched detectors are near 30 000; 2¹⁷ leaves room and keeps areas exact. */
export const maxSliceEdge = 131_072

/** Bytes of one decoded slice. A 16 384² float32 slice is 1 GiB; more than twice that cannot be worked on as one slice. */
export const maxSliceBytes = 2 ** 31

/** Slices of one volume. Long scans have about 20 000; the list of names must stay small in memory. */
export const maxSlices = 200_000

/** Entries of one TIFF directory. The standard knows fewer than 100 tags and vendors add a few dozen. */
export const maxDirectoryEntries = 4096

/** Strips or tiles of one image: one row per strip at the longest edge, with room for small tiles. */
export const maxChunksPerImage = 1_048_576

/** Bytes of one tag that is kept as text. OME-XML can be megabytes long, but what we need stands at its start. */
export const maxTextTagBytes = 1_048_576

/** Bytes read at once around a header. Large enough that nearly every slice needs only one or two reads. */
export const headerReadBytes = 4096

/** Compressed bytes of one strip or tile may exceed the decoded ones a little when data do not compress. */
export const maxExpansionWhenCompressed = 2

/**
 * How far a packed byte can unfold: deflate 1032 bytes (RFC 1951: 258 bytes out of two bits), LZW 2731 (a piece of 4096 bytes out of
 * twelve bits), PackBits 64 (128 bytes out of two). A header that promises more lies.
 */
export const maxUnfolding = { none: 1, deflate: 1032, lzw: 2731, packbits: 64 } as const

/** PNG chunks before the first pixel data that are looked at; real files have fewer than 20. */
export const maxPngChunks = 65_536

/** Files whose headers are read at the same time when a folder is opened: keeps the thread pool busy, few handles open. */
export const concurrentHeaderReads = 16
