/** Drawing in the picture with a pointer, or with the keys and a crosshair. */
import { type KeyboardEvent, type PointerEvent, useState } from "react";
import { resized, stepped } from "./crosshair";
import { boxOf, type Point, pointIn, type Size, type Stroke } from "./shapes";
import type { RegionState } from "./useRegion";

export interface Brush {
  readonly width: number;
  readonly erase: boolean;
}

interface Hands {
  readonly state: RegionState;
  readonly size: Size;
  readonly brush: Brush;
  readonly onBrush: (brush: Brush) => void;
  readonly onChange: (change: Partial<RegionState>) => void;
  readonly onPoint: (point: readonly number[]) => void;
}

export interface Drawing {
  /** The stroke that is being painted. */
  readonly stroke: Stroke | null;
  readonly at: Point;
  /** Whether the brush is down or a box is begun. */
  readonly busy: boolean;
  /** What a screen reader is to say. */
  readonly said: string;
  readonly handlers: {
    readonly onPointerDown: (event: PointerEvent<HTMLElement>) => void;
    readonly onPointerMove: (event: PointerEvent<HTMLElement>) => void;
    readonly onPointerUp: () => void;
    readonly onPointerCancel: () => void;
    readonly onKeyDown: (event: KeyboardEvent<HTMLElement>) => void;
    readonly onBlur: () => void;
  };
}

export const canDraw = ({ tool }: RegionState): boolean =>
  tool === "point" || tool === "box" || tool === "brush";
const inWords = ({ x, y }: Point) => `${Math.round(x)} across, ${Math.round(y)} down`;

export function useDrawing({ state, size, brush, onBrush, onChange, onPoint }: Hands): Drawing {
  const [from, setFrom] = useState<Point | null>(null);
  const [stroke, setStroke] = useState<Stroke | null>(null);
  const [at, setAt] = useState<Point>({ x: Math.round(size.width / 2), y: Math.round(size.height / 2) });
  const [said, setSaid] = useState("");

  const begin = (point: Point) => {
    if (state.tool === "point") onPoint([Math.round(point.x), Math.round(point.y)]);
    else if (state.tool === "box") setFrom(point);
    else setStroke({ points: [point], ...brush });
  };
  const go = (point: Point) => {
    setAt(point);
    if (from) onChange({ box: boxOf(from, point) });
    if (stroke) setStroke({ ...stroke, points: [...stroke.points, point] });
  };
  const end = () => {
    if (stroke) onChange({ strokes: [...state.strokes, stroke], upload: null });
    setFrom(null);
    setStroke(null);
  };
  const press = () => {
    const begins = !from && !stroke;
    if (begins) begin(at);
    else end();
    const tool = {
      point: "Chosen",
      box: begins ? "Corner" : "Box to",
      brush: begins ? "Brush down" : "Lifted",
    };
    setSaid(`${tool[state.tool as keyof typeof tool]}: ${inWords(at)}`);
  };
  const change = (key: string): boolean => {
    if (state.tool !== "brush") return false;
    const width = resized(brush.width, key, size);
    if (width !== null) {
      onBrush({ ...brush, width });
      setSaid(`Brush of ${width} pixels`);
    } else if (key.toLowerCase() === "e") {
      onBrush({ ...brush, erase: !brush.erase });
      setSaid(brush.erase ? "Brush" : "Eraser");
    } else if (key === "Backspace") {
      if (stroke) setStroke(null);
      else onChange({ strokes: state.strokes.slice(0, -1) });
      setSaid("The last stroke is taken back");
    } else return false;
    return true;
  };
  const hear = (event: KeyboardEvent<HTMLElement>) => {
    if (!canDraw(state) || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = stepped(at, event, size);
    if (next) {
      go(next);
      setSaid(inWords(next));
    } else if (event.key === " " || event.key === "Enter") press();
    else if (event.key === "Escape" && (from || stroke)) {
      setFrom(null);
      setStroke(null);
      setSaid("Stopped");
    } else if (!change(event.key)) return;
    event.preventDefault();
  };
  const placeOf = (event: PointerEvent<HTMLElement>) =>
    pointIn(event, event.currentTarget.getBoundingClientRect(), size);
  const down = (event: PointerEvent<HTMLElement>) => {
    if (event.button !== 0 || !canDraw(state)) return;
    if (state.tool !== "point") event.currentTarget.setPointerCapture(event.pointerId);
    setAt(placeOf(event));
    begin(placeOf(event));
  };
  const move = (event: PointerEvent<HTMLElement>) => {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) go(placeOf(event));
  };
  const handlers = {
    onPointerDown: down,
    onPointerMove: move,
    onPointerUp: end,
    onPointerCancel: end,
    onKeyDown: hear,
    onBlur: end,
  };
  return { stroke, at, busy: from !== null || stroke !== null, said, handlers };
}
