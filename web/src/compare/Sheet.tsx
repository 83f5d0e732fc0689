/** A picture laid into a compare window. */
import type { CSSProperties } from "react";
import classes from "./CompareView.module.css";
import type { View } from "./view";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where a sheet of `size` lies; from twice the size on its pixels are shown as squares. */
export function laid(view: View, size: Size): CSSProperties {
  return {
    width: size.width,
    height: size.height,
    transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})`,
    imageRendering: view.scale * window.devicePixelRatio >= 2 ? "pixelated" : "auto",
  };
}

interface Props {
  source: string;
  alt: string;
  view: View;
  size: Size;
  /** Columns of the picture that are cut off at its left. */
  from?: number;
  /** Column at which the picture is cut off. */
  to?: number;
}

export function Sheet({ source, alt, view, size, from = 0, to = size.width }: Props) {
  const clipPath = `inset(0 ${size.width - to}px 0 ${from}px)`;
  return (
    <img
      src={source}
      alt={alt}
      draggable={false}
      className={classes.sheet}
      style={{ ...laid(view, size), clipPath }}
    />
  );
}
