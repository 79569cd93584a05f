/**
 * A blob's bytes may go compressed: `content-encoding: zstd`, as frames of streams/zstd-frames.ts, in chunks. What
 * they come to, from the request's offset to the blob's end, is then said by `imgctl-length`, in bytes. Offsets, sizes
 * and digests are always those of the blob itself. An agent that takes such bodies, and passes them on, lists `zstd`
 * among its features.
 */
export type WireEncodingName = 'zstd';

export const lengthHeader = 'imgctl-length';

/** In a node's features. */
export const zstdFeature = 'zstd';
