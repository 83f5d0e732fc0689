/** The picture in which a region is clicked, drawn or painted, and what was found. */
import { type Ref, useEffect, useMemo, useRef } from "react";
import { lookupMaskOf, pictureOf, uploadOf } from "../api/addresses";
import type { Lookup, Node, RegionHow } from "../api/types";
import { type Mask, MaskOverlay, markColour } from "./MaskOverlay";
import classes from "./RegionDialog.module.css";
import { paint, type Size, type Stroke } from "./shapes";
import { type Brush, canDraw, useDrawing } from "./useDrawing";
import type { RegionState, Tool } from "./useRegion";

interface Props {
  node: Node;
  state: RegionState;
  lookup: Lookup | null;
  brush: Brush;
  edge: RegionHow;
  stage: Ref<HTMLDivElement>;
  /** The id of the element that tells the keys. */
  keysId: string;
  onBrush: (brush: Brush) => void;
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

const stageNames: Partial<Record<Tool, string>> = {
  point: "Choose an object in the picture",
  box: "Draw a box in the picture",
  brush: "Paint in the picture",
};

export function RegionStage(props: Props) {
  const { node, state, lookup, brush, edge, stage, keysId, onBrush, onChange, onPoint } = props;
  const width = node.width ?? 1;
  const height = node.height ?? 1;
  const drawing = useDrawing({ state, size: { width, height }, brush, onBrush, onChange, onPoint });
  const { stroke, at } = drawing;
  const draws = canDraw(state);
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
      ref={stage}
      role={draws ? "application" : undefined}
      tabIndex={draws ? 0 : undefined}
      aria-label={draws ? stageNames[state.tool] : undefined}
      aria-roledescription={draws ? "picture to draw in" : undefined}
      aria-describedby={draws ? keysId : undefined}
      // Escape stops what is being drawn, not the dialog.
      data-mantine-stop-propagation={drawing.busy}
      {...drawing.handlers}
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
      {draws && (
        <span
          className={classes.cross}
          data-down={drawing.busy}
          style={{ left: percent(at.x, width), top: percent(at.y, height) }}
        >
          {state.tool === "brush" && (
            <span
              className={classes.ring}
              data-erase={brush.erase}
              style={{ width: `${(100 * brush.width) / width}cqw` }}
            />
          )}
        </span>
      )}
      <span role="status" className={classes.unseen}>
        {drawing.said}
      </span>
    </div>
  );
}
