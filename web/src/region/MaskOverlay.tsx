/** A region drawn over a picture, with its edge as it will be. */
import { useEffect, useRef } from "react";
import { type Edge, inverted, type Levels, reached, sharpEdge, softened } from "./edge";
import { paint, type Stroke } from "./shapes";
import { tint } from "./tint";

export const markColour = [240, 55, 115] as const;
/** Longest side, in pixels, of a mask whose edge is worked out here. */
const longest = 400;

export function loadPicture(source: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () =>
      reject(new Error("The picture could not be read from the server; reload the page."));
    image.src = source;
  });
}

/** A mask of the server, or what was drawn in a picture of a size. */
export type Mask =
  | { readonly kind: "picture"; readonly address: string }
  | { readonly kind: "box"; readonly box: readonly number[]; readonly size: readonly [number, number] }
  | {
      readonly kind: "strokes";
      readonly strokes: readonly Stroke[];
      readonly size: readonly [number, number];
    };

function draw(context: CanvasRenderingContext2D, mask: Exclude<Mask, { kind: "picture" }>): void {
  if (mask.kind === "strokes") paint(context, mask.strokes, "#fff");
  else {
    const [left = 0, top = 0, right = 0, bottom = 0] = mask.box;
    context.fillStyle = "#fff";
    context.fillRect(left, top, right - left, bottom - top);
  }
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "#000";
  context.fillRect(0, 0, ...mask.size);
}

/** A mask on a canvas that is no longer than `most`, and how much smaller it is there. */
async function levelsOf(mask: Mask, most: number): Promise<{ levels: Levels; scale: number } | null> {
  const image = mask.kind === "picture" ? await loadPicture(mask.address) : null;
  const [across, down] =
    mask.kind === "picture" ? [image?.naturalWidth ?? 1, image?.naturalHeight ?? 1] : mask.size;
  const scale = Math.min(1, most / Math.max(across, down));
  const width = Math.max(1, Math.round(across * scale));
  const height = Math.max(1, Math.round(down * scale));
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d", {
    willReadFrequently: true,
  });
  if (!context) return null;
  if (image) context.drawImage(image, 0, 0, width, height);
  else if (mask.kind !== "picture") {
    context.scale(width / across, height / down);
    draw(context, mask);
  }
  const pixels = context.getImageData(0, 0, width, height).data;
  // Grey: any channel has it.
  const values = new Uint8ClampedArray(width * height).map((_, at) => pixels[at * 4] ?? 0);
  return { levels: { width, height, values }, scale };
}

interface Props {
  mask: Mask;
  invert?: boolean;
  /** In the picture's pixels; none shows the mask as it is. */
  edge?: Edge;
  className?: string;
}

export function MaskOverlay({ mask, invert = false, edge = sharpEdge, className }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { grow, feather } = edge;
  useEffect(() => {
    let stopped = false;
    const plain = grow === 0 && feather === 0;
    void levelsOf(mask, plain ? Infinity : longest).then(
      (made) => {
        const context = canvas.current?.getContext("2d");
        if (stopped || !context || !made) return;
        const { scale } = made;
        const scaled = { grow: grow * scale, feather: feather * scale };
        const sharp = reached(invert ? inverted(made.levels) : made.levels, scaled);
        const { width, height } = sharp;
        Object.assign(context.canvas, { width, height });
        const thick = Math.max(1, Math.round(width / 400));
        const pixels = tint(sharp, softened(sharp, scaled), markColour, thick);
        context.putImageData(new ImageData(pixels, width, height), 0, 0);
      },
      () => undefined,
    );
    return () => {
      stopped = true;
    };
  }, [mask, invert, grow, feather]);
  return <canvas ref={canvas} className={className} aria-hidden="true" />;
}
