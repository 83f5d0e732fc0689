/** Points, boxes and strokes in a picture's pixels. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Stroke {
  readonly points: readonly Point[];
  readonly width: number;
  readonly erase: boolean;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const clamp = (value: number, most: number) => Math.min(Math.max(value, 0), most);

/** Where a pointer is, in pixels of a picture that is shown in `frame`. */
export function pointIn(
  client: { clientX: number; clientY: number },
  frame: { left: number; top: number; width: number; height: number },
  size: Size,
): Point {
  return {
    x: clamp(((client.clientX - frame.left) / frame.width) * size.width, size.width),
    y: clamp(((client.clientY - frame.top) / frame.height) * size.height, size.height),
  };
}

/** The box between two corners as whole pixels: left, top, right, bottom. */
export function boxOf(one: Point, other: Point): number[] {
  return [
    Math.round(Math.min(one.x, other.x)),
    Math.round(Math.min(one.y, other.y)),
    Math.round(Math.max(one.x, other.x)),
    Math.round(Math.max(one.y, other.y)),
  ];
}

/** Whether a box has an inside and lies in the picture. */
export function isBox(numbers: readonly number[], size: Size): boolean {
  const [left = 0, top = 0, right = 0, bottom = 0] = numbers;
  return (
    numbers.length === 4 &&
    left >= 0 &&
    top >= 0 &&
    right <= size.width &&
    bottom <= size.height &&
    right - left >= 2 &&
    bottom - top >= 2
  );
}

/** Draw strokes, white on whatever is there. */
export function paint(context: CanvasRenderingContext2D, strokes: readonly Stroke[], colour: string): void {
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const { points, width, erase } of strokes) {
    const [first, ...rest] = points;
    if (!first) continue;
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(first.x, first.y);
    if (rest.length === 0) context.lineTo(first.x + 0.01, first.y);
    for (const { x, y } of rest) context.lineTo(x, y);
    context.stroke();
  }
  context.globalCompositeOperation = "source-over";
}

/** Strokes as a PNG of the picture's size: white where painted, black elsewhere. */
export function maskOfStrokes(strokes: readonly Stroke[], size: Size): Promise<Blob> {
  const layer = document.createElement("canvas");
  const mask = document.createElement("canvas");
  for (const canvas of [layer, mask]) Object.assign(canvas, size);
  const painted = layer.getContext("2d");
  const context = mask.getContext("2d");
  if (!painted || !context)
    return Promise.reject(new Error("The browser gives no canvas; use a box instead."));
  paint(painted, strokes, "#fff");
  context.fillStyle = "#000";
  context.fillRect(0, 0, size.width, size.height);
  context.drawImage(layer, 0, 0);
  return new Promise((resolve, reject) =>
    mask.toBlob((blob) =>
      blob ? resolve(blob) : reject(new Error("The mask could not be made; use a box instead.")),
    ),
  );
}
