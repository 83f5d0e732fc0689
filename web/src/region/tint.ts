/** A grey mask as colour over a picture: shaded outside, an outline where it ends. */
import type { Levels } from "./edge";

export type Rgb = readonly [number, number, number];

const darkest = 140;
const isInside = ({ values }: Levels, at: number): boolean => (values[at] ?? 0) > 127;

/**
 * RGBA pixels to lay over a picture: nothing inside, a dark shade outside as far as `soft` is not there, and `colour`
 * along the border of `sharp`, `thick` pixels wide. Both are of one size.
 */
export function tint(sharp: Levels, soft: Levels, colour: Rgb, thick = 1): Uint8ClampedArray<ArrayBuffer> {
  const { width, height } = sharp;
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      const here = isInside(sharp, at);
      const edge =
        (x + thick < width && isInside(sharp, at + thick) !== here) ||
        (x >= thick && isInside(sharp, at - thick) !== here) ||
        (y + thick < height && isInside(sharp, at + thick * width) !== here) ||
        (y >= thick && isInside(sharp, at - thick * width) !== here);
      const [red, green, blue] = edge ? colour : [16, 17, 19];
      pixels.set([red, green, blue, edge ? 255 : darkest * (1 - (soft.values[at] ?? 0) / 255)], at * 4);
    }
  }
  return pixels;
}
