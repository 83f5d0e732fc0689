/** A mask of the server drawn over a picture. */
import { useEffect, useRef } from "react";
import { tint } from "./tint";

export const markColour = [240, 55, 115] as const;

export function loadPicture(source: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () =>
      reject(new Error("The picture could not be read from the server; reload the page."));
    image.src = source;
  });
}

interface Props {
  source: string;
  invert?: boolean;
  className?: string;
}

export function MaskOverlay({ source, invert = false, className }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let stopped = false;
    void loadPicture(source).then(
      (image) => {
        const context = canvas.current?.getContext("2d", { willReadFrequently: true });
        if (stopped || !context) return;
        const { naturalWidth: width, naturalHeight: height } = image;
        context.canvas.width = width;
        context.canvas.height = height;
        context.drawImage(image, 0, 0);
        const data = context.getImageData(0, 0, width, height);
        tint(data.data, width, height, markColour, invert, Math.max(1, Math.round(width / 400)));
        context.putImageData(data, 0, 0);
      },
      () => undefined,
    );
    return () => {
      stopped = true;
    };
  }, [source, invert]);
  return <canvas ref={canvas} className={className} aria-hidden="true" />;
}
