/** A crosshair in a picture that the arrow keys move. */
import type { Point, Size } from "./shapes";

const ways: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
/** How many small steps one with Shift is. */
const far = 8;

const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);

/** Where the crosshair goes with a key, in whole pixels within the picture; null for a key that moves nothing. */
export function stepped(at: Point, press: { key: string; shiftKey: boolean }, size: Size): Point | null {
  const way = ways[press.key];
  if (!way) return null;
  const step = Math.max(1, Math.round(Math.max(size.width, size.height) / 128)) * (press.shiftKey ? far : 1);
  return {
    x: within(Math.round(at.x) + way[0] * step, size.width),
    y: within(Math.round(at.y) + way[1] * step, size.height),
  };
}

/** The widest brush for a picture. */
export const widestBrush = ({ width }: Size): number => Math.max(16, Math.round(width / 4));

/** The next brush with [ or ]: about a sixth thinner or wider; null for another key. */
export function resized(width: number, key: string, size: Size): number | null {
  if (key !== "[" && key !== "]") return null;
  const step = Math.max(1, Math.round(width / 6));
  return Math.min(Math.max(key === "[" ? width - step : width + step, 2), widestBrush(size));
}
