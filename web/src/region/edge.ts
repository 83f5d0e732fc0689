/** The edge of a region, grown or shrunk and then softened: what the server's `core/region_shape.py` will do. */

/** A grey mask, one level a pixel, row by row: 255 where the edit acts. */
export interface Levels {
  readonly width: number;
  readonly height: number;
  readonly values: Uint8ClampedArray;
}

/** In pixels of the mask: how far a region grows, or shrinks where negative; how wide it softens inside. */
export interface Edge {
  readonly grow: number;
  readonly feather: number;
}

export const sharpEdge: Edge = { grow: 0, feather: 0 };

const half = 128;
type Distances = Float32Array;

/** How far each pixel is from the nearest target, exact up to `reach` and `reach + 1` beyond. */
function distances(mask: Levels, isTarget: (level: number) => boolean, reach: number): Distances {
  const { width, height, values } = mask;
  const beyond = reach + 1;
  const squared = new Float32Array(values.length);
  for (let y = 0; y < height; y += 1) {
    const row = y * width;
    for (let x = 0, since = beyond; x < width; x += 1) {
      since = isTarget(values[row + x] ?? 0) ? 0 : Math.min(since + 1, beyond);
      squared[row + x] = since;
    }
    for (let x = width - 1, since = beyond; x >= 0; x -= 1) {
      since = Math.min(since + 1, squared[row + x] ?? 0);
      squared[row + x] = since ** 2;
    }
  }
  const nearest = squared.slice();
  for (let offset = 1; offset <= Math.min(reach, height - 1); offset += 1) {
    const far = offset * width;
    for (let at = far; at < nearest.length; at += 1) {
      nearest[at] = Math.min(nearest[at] ?? 0, (squared[at - far] ?? 0) + offset ** 2);
      nearest[at - far] = Math.min(nearest[at - far] ?? 0, (squared[at] ?? 0) + offset ** 2);
    }
  }
  return nearest.map((value) => Math.min(Math.sqrt(value), beyond));
}

function grown(mask: Levels, reach: number): Levels {
  const far = distances(mask, (level) => level >= half, reach);
  return { ...mask, values: mask.values.map((level, at) => ((far[at] ?? 0) <= reach ? 255 : level)) };
}

function shrunk(mask: Levels, reach: number): Levels {
  const far = distances(mask, (level) => level < half, reach);
  return { ...mask, values: mask.values.map((level, at) => ((far[at] ?? 0) > reach ? level : 0)) };
}

/** The greatest depth within `reach` steps, sideways and up or down. */
function ridges(depth: Distances, { width, height }: Levels, reach: number): Distances {
  let found = depth;
  for (let turn = 0; turn < reach; turn += 1) {
    const next = found.slice();
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const at = y * width + x;
        let most = found[at] ?? 0;
        if (x > 0) most = Math.max(most, found[at - 1] ?? 0);
        if (x + 1 < width) most = Math.max(most, found[at + 1] ?? 0);
        if (y > 0) most = Math.max(most, found[at - width] ?? 0);
        if (y + 1 < height) most = Math.max(most, found[at + width] ?? 0);
        next[at] = most;
      }
    }
    found = next;
  }
  return found;
}

function feathered(mask: Levels, reach: number): Levels {
  const depth = distances(mask, (level) => level < half, reach);
  const most = ridges(depth, mask, reach);
  return {
    ...mask,
    values: mask.values.map((level, at) =>
      Math.min(level, Math.round((255 * (depth[at] ?? 0)) / Math.max(most[at] ?? 0, 1))),
    ),
  };
}

const isAll = ({ values }: Levels) => values.every((level) => level === 255);

/** A region grown or shrunk, with a sharp edge; one that is empty or all of the picture stays. */
export function reached(mask: Levels, { grow }: Edge): Levels {
  const pixels = Math.round(grow);
  if (pixels === 0 || isAll(mask)) return mask;
  return pixels > 0 ? grown(mask, pixels) : shrunk(mask, -pixels);
}

/** A region softened inside; one that is all of the picture stays. */
export function softened(mask: Levels, { feather }: Edge): Levels {
  const pixels = Math.round(feather);
  return pixels <= 0 || isAll(mask) ? mask : feathered(mask, pixels);
}

export const inverted = (mask: Levels): Levels => ({
  ...mask,
  values: mask.values.map((level) => 255 - level),
});
