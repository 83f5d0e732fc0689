/** How a picture lies in a window: scale and shift, changed about a point. */

export interface View {
  /** Screen pixels per picture pixel. */
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

export const leastScale = 0.05;
export const mostScale = 64;

/** All of the picture, in the middle of the window, no larger than four times. */
export function fitted(picture: Size, window: Size, margin = 16): View {
  const scale = Math.min(
    (window.width - 2 * margin) / picture.width,
    (window.height - 2 * margin) / picture.height,
    4,
  );
  const safe = Math.max(scale, leastScale);
  return {
    scale: safe,
    x: (window.width - picture.width * safe) / 2,
    y: (window.height - picture.height * safe) / 2,
  };
}

/** Scale by `factor`; what lies under `at` (window pixels) stays there. */
export function zoomed(view: View, factor: number, at: { x: number; y: number }): View {
  const scale = Math.min(Math.max(view.scale * factor, leastScale), mostScale);
  const real = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * real, y: at.y - (at.y - view.y) * real };
}

export function moved(view: View, dx: number, dy: number): View {
  return { ...view, x: view.x + dx, y: view.y + dy };
}

/** The column of the picture under a place in the window, as a whole number within the picture. */
export function columnAt(view: View, x: number, width: number): number {
  return Math.min(Math.max(Math.round((x - view.x) / view.scale), 0), width);
}
