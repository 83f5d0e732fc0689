/** Keep what matters in view: all of a small tree at first, then whatever is selected. */
import { useReactFlow, useStoreApi } from "@xyflow/react";
import { useEffect, useRef } from "react";
import { captionHeight, nodeWidth, type Place } from "../tree/layout";
import { useDesign } from "./design";

/** Pixels of the canvas that lie under what floats over it. */
const margin = { top: 24, right: 24, bottom: 190, left: 24 };
const few = 40;

interface View {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

/** The least shift of the view that shows a box entirely; null where it is in view already. */
export function shifted(
  view: View,
  box: { x: number; y: number; width: number; height: number },
  size: { width: number; height: number },
): View | null {
  const left = box.x * view.zoom + view.x;
  const top = box.y * view.zoom + view.y;
  const right = left + box.width * view.zoom;
  const bottom = top + box.height * view.zoom;
  let { x, y } = view;
  if (right > size.width - margin.right) x -= right - (size.width - margin.right);
  if (left + x - view.x < margin.left) x += margin.left - (left + x - view.x);
  if (bottom > size.height - margin.bottom) y -= bottom - (size.height - margin.bottom);
  if (top + y - view.y < margin.top) y += margin.top - (top + y - view.y);
  return x === view.x && y === view.y ? null : { x, y, zoom: view.zoom };
}

/** The view that shows every place at once, no closer than `closest`, no farther than is readable. */
export function wholeView(
  places: Iterable<Place>,
  height: number,
  size: { width: number; height: number },
  closest = 1,
): View {
  const all = [...places];
  const left = Math.min(...all.map(({ x }) => x));
  const right = Math.max(...all.map(({ x }) => x)) + nodeWidth;
  const bottom = Math.max(...all.map(({ y }) => y)) + height;
  const room = { width: size.width - 2 * margin.left, height: size.height - margin.top - margin.bottom };
  const zoom = Math.max(0.05, Math.min(closest, room.width / (right - left), room.height / bottom));
  return {
    x: size.width / 2 - ((left + right) / 2) * zoom,
    y: margin.top + Math.max(0, (room.height - bottom * zoom) / 2),
    zoom,
  };
}

export function useWhole(
  places: ReadonlyMap<string, Place>,
  pictureHeight: number,
): (duration?: number) => void {
  const flow = useReactFlow();
  const store = useStoreApi();
  return (duration = 250) =>
    void flow.setViewport(wholeView(places.values(), captionHeight + pictureHeight, store.getState()), {
      duration,
    });
}

export function useReveal(places: ReadonlyMap<string, Place>, pictureHeight: number): void {
  const { selected } = useDesign();
  const flow = useReactFlow();
  const store = useStoreApi();
  const begun = useRef(false);
  const whole = useWhole(places, pictureHeight);
  const place = places.get(selected.id);
  const { x, y } = place ?? { x: 0, y: 0 };
  useEffect(() => {
    const size = store.getState();
    if (!size.width) return;
    const box = { x, y, width: nodeWidth, height: captionHeight + pictureHeight };
    if (!begun.current) {
      begun.current = true;
      if (places.size <= few) return whole(0);
      void flow.setViewport({ x: size.width / 2 - (x + nodeWidth / 2) * 0.8, y: 60 - y * 0.8, zoom: 0.8 });
      return;
    }
    const readable = Math.max(flow.getZoom(), 0.3);
    if (readable > flow.getZoom()) {
      const centre = { x: x + nodeWidth / 2, y: y + box.height / 2 };
      void flow.setCenter(centre.x, centre.y, { zoom: 0.6, duration: 250 });
      return;
    }
    const view = shifted(flow.getViewport(), box, size);
    if (view) void flow.setViewport(view, { duration: 220 });
    // The view follows the selection and its place, nothing else.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selected.id, x, y]);
}
