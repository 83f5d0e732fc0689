/** What differs between the two pictures, made visible. */
import { Slider as Dial } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import classes from "./CompareView.module.css";
import type { Pair } from "./CompareView";
import { difference } from "./difference";
import { laid } from "./Sheet";
import { useView } from "./useView";
import { ViewButtons } from "./ViewButtons";

function pixelsOf(image: HTMLImageElement, width: number, height: number): Uint8ClampedArray | null {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context?.drawImage(image, 0, 0, width, height);
  return context?.getImageData(0, 0, width, height).data ?? null;
}

export function DifferenceView({ pair }: { pair: Pair }) {
  const { size, images } = pair;
  const [controls, frame] = useView(size);
  const [gain, setGain] = useState(4);
  const canvas = useRef<HTMLCanvasElement>(null);
  const ready = controls.view !== null;
  useEffect(() => {
    const one = pixelsOf(images[0], size.width, size.height);
    const other = pixelsOf(images[1], size.width, size.height);
    if (!one || !other || !ready) return;
    const pixels = new ImageData(difference(one, other, gain), size.width, size.height);
    canvas.current?.getContext("2d")?.putImageData(pixels, 0, 0);
  }, [images, size, gain, ready]);
  return (
    <>
      <div className={classes.windows}>
        <div className={classes.window} ref={frame} {...controls.handlers}>
          {controls.view && (
            <canvas
              ref={canvas}
              width={size.width}
              height={size.height}
              className={classes.sheet}
              style={laid(controls.view, size)}
              role="img"
              aria-label="Bright where the two pictures differ"
            />
          )}
        </div>
      </div>
      <ViewButtons controls={controls}>
        <span className={classes.number} id="gain">
          Amplified × {gain}
        </span>
        <Dial
          className={classes.gain}
          label={null}
          min={1}
          max={32}
          value={gain}
          onChange={setGain}
          thumbProps={{ "aria-labelledby": "gain" }}
        />
      </ViewButtons>
    </>
  );
}
