/** The picture in which a region is clicked, drawn or painted, and what was found. */
import { type PointerEvent, useEffect, useRef, useState } from "react";
import { lookupMaskOf, pictureOf, uploadOf } from "../api/addresses";
import type { Lookup, Node } from "../api/types";
import { MaskOverlay, markColour } from "./MaskOverlay";
import classes from "./RegionDialog.module.css";
import { boxOf, paint, type Point, pointIn, type Stroke } from "./shapes";
import type { RegionState } from "./useRegion";

interface Props {
  node: Node;
  state: RegionState;
  lookup: Lookup | null;
  brush: { width: number; erase: boolean };
  onChange: (change: Partial<RegionState>) => void;
  onPoint: (point: readonly number[]) => void;
}

function Painted({ strokes, width, height }: { strokes: readonly Stroke[]; width: number; height: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, width, height);
    paint(context, strokes, `rgb(${markColour.join(" ")})`);
  }, [strokes, width, height]);
  return <canvas ref={canvas} width={width} height={height} className={classes.painted} aria-hidden="true" />;
}

const percent = (value: number, of: number) => `${(100 * value) / of}%`;

export function RegionStage({ node, state, lookup, brush, onChange, onPoint }: Props) {
  const width = node.width ?? 1;
  const height = node.height ?? 1;
  const [from, setFrom] = useState<Point | null>(null);
  const [stroke, setStroke] = useState<Stroke | null>(null);
  const at = (event: PointerEvent<HTMLDivElement>) =>
    pointIn(event, event.currentTarget.getBoundingClientRect(), { width, height });
  const down = (event: PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0) return;
    const point = at(event);
    if (state.tool === "point") return onPoint([Math.round(point.x), Math.round(point.y)]);
    if (state.tool !== "box" && state.tool !== "brush") return;
    event.currentTarget.setPointerCapture(event.pointerId);
    if (state.tool === "box") setFrom(point);
    else setStroke({ points: [point], ...brush });
  };
  const move = (event: PointerEvent<HTMLDivElement>) => {
    if (from) onChange({ box: boxOf(from, at(event)) });
    if (stroke) setStroke({ ...stroke, points: [...stroke.points, at(event)] });
  };
  const up = () => {
    if (stroke) onChange({ strokes: [...state.strokes, stroke], upload: null });
    setFrom(null);
    setStroke(null);
  };
  const [left = 0, top = 0, right = 0, bottom = 0] = state.box;
  const found =
    lookup?.state === "done" && (state.tool === "phrase" || state.tool === "auto" || state.tool === "point");
  return (
    <div
      className={classes.stage}
      data-tool={state.tool}
      style={{ aspectRatio: `${width} / ${height}`, maxWidth: `calc(64vh * ${width / height})` }}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
    >
      <img
        src={pictureOf(node.id, "screen")}
        alt="The picture in which the region is chosen"
        draggable={false}
      />
      {found && (
        <MaskOverlay source={lookupMaskOf(lookup.id)} invert={state.invert} className={classes.layer} />
      )}
      {state.tool === "point" && state.point.length === 2 && (
        <span
          className={classes.point}
          style={{ left: percent(state.point[0] ?? 0, width), top: percent(state.point[1] ?? 0, height) }}
        />
      )}
      {state.tool === "box" && state.box.length === 4 && (
        <span
          className={classes.box}
          data-invert={state.invert}
          style={{
            left: percent(left, width),
            top: percent(top, height),
            width: percent(right - left, width),
            height: percent(bottom - top, height),
          }}
        />
      )}
      {state.tool === "brush" && state.strokes.length === 0 && !stroke && state.upload && (
        <MaskOverlay source={uploadOf(state.upload)} invert={state.invert} className={classes.layer} />
      )}
      {state.tool === "brush" && (
        <Painted
          strokes={stroke ? [...state.strokes, stroke] : state.strokes}
          width={width}
          height={height}
        />
      )}
    </div>
  );
}
