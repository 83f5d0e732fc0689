/** The picture in which a region is clicked, drawn or painted, and what was found. */
import { type PointerEvent, useEffect, useMemo, useRef, useState } from "react";
import { lookupMaskOf, pictureOf, uploadOf } from "../api/addresses";
import type { Lookup, Node, RegionHow } from "../api/types";
import { type Mask, MaskOverlay, markColour } from "./MaskOverlay";
import classes from "./RegionDialog.module.css";
import { boxOf, paint, type Point, pointIn, type Size, type Stroke } from "./shapes";
import type { RegionState } from "./useRegion";

interface Props {
  node: Node;
  state: RegionState;
  lookup: Lookup | null;
  brush: { width: number; erase: boolean };
  edge: RegionHow;
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

const isLookedUp = ({ tool }: RegionState) => tool === "phrase" || tool === "auto" || tool === "point";

/** Whether there is a region in the picture to be seen. */
export function isShown(state: RegionState, lookup: Lookup | null): boolean {
  if (isLookedUp(state)) return lookup?.state === "done";
  if (state.tool === "box") return state.box.length === 4;
  return state.tool === "brush" && (state.strokes.length > 0 || state.upload !== null);
}

/** What lies over the picture as a mask: what was found or painted before; what is drawn only where its edge differs. */
function maskOf(state: RegionState, lookup: Lookup | null, size: Size, edged: boolean): Mask | null {
  if (!isShown(state, lookup)) return null;
  if (isLookedUp(state)) return lookup && { kind: "picture", address: lookupMaskOf(lookup.id) };
  const { tool, box, strokes, upload } = state;
  if (tool === "brush" && strokes.length === 0)
    return upload === null ? null : { kind: "picture", address: uploadOf(upload) };
  if (!edged) return null;
  const sides = [size.width, size.height] as const;
  return tool === "box" ? { kind: "box", box, size: sides } : { kind: "strokes", strokes, size: sides };
}

const percent = (value: number, of: number) => `${(100 * value) / of}%`;

export function RegionStage({ node, state, lookup, brush, edge, onChange, onPoint }: Props) {
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
  const grow = edge.grow ?? 0;
  const feather = edge.feather ?? 0;
  const edged = grow !== 0 || feather !== 0;
  const mask = useMemo(
    () => maskOf(state, lookup, { width, height }, edged),
    [state, lookup, width, height, edged],
  );
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
      {mask && !stroke && (
        <MaskOverlay mask={mask} invert={state.invert} edge={{ grow, feather }} className={classes.layer} />
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
          data-edged={edged}
          style={{
            left: percent(left, width),
            top: percent(top, height),
            width: percent(right - left, width),
            height: percent(bottom - top, height),
          }}
        />
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
