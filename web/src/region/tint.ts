/** A grey mask as colour over a picture: shaded outside, an outline where it ends. */

export type Rgb = readonly [number, number, number];

const inside = (mask: Uint8ClampedArray, at: number, invert: boolean): boolean =>
  (mask[at * 4] ?? 0) > 127 !== invert;

/**
 * Turn RGBA pixels of a mask (white where the edit acts) into an overlay, in place: nothing inside, a dark shade
 * outside, and `colour` along the border, `thick` pixels wide.
 */
export function tint(
  pixels: Uint8ClampedArray,
  width: number,
  height: number,
  colour: Rgb,
  invert = false,
  thick = 1,
): void {
  const mask = pixels.slice();
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      const here = inside(mask, at, invert);
      const edge =
        (x + thick < width && inside(mask, at + thick, invert) !== here) ||
        (x >= thick && inside(mask, at - thick, invert) !== here) ||
        (y + thick < height && inside(mask, at + thick * width, invert) !== here) ||
        (y >= thick && inside(mask, at - thick * width, invert) !== here);
      const [red, green, blue] = edge ? colour : [16, 17, 19];
      pixels.set([red, green, blue, edge ? 255 : here ? 0 : 140], at * 4);
    }
  }
}

/** The share of a mask that is inside. */
export function shareOf(pixels: Uint8ClampedArray, invert = false): number {
  const count = pixels.length / 4;
  let found = 0;
  for (let at = 0; at < count; at += 1) if (inside(pixels, at, invert)) found += 1;
  return count === 0 ? 0 : found / count;
}
