/** Keep what matters in view: all of a small tree at first, then whatever is selected. */
import { type FitViewOptions, useReactFlow, useStoreApi } from "@xyflow/react";
import { useEffect, useRef } from "react";
import { captionHeight, nodeWidth, type Place } from "../tree/layout";
import { useDesign } from "./design";

/** Pixels of the canvas that lie under what floats over it. */
const margin = { top: 24, right: 24, bottom: 150, left: 24 };
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

/** All of the tree, clear of what floats over the canvas. */
export const wholeTree: FitViewOptions = {
  duration: 250,
  maxZoom: 1,
  padding: { top: "24px", right: "24px", bottom: "150px", left: "24px" },
};

export function useReveal(places: ReadonlyMap<string, Place>, pictureHeight: number): void {
  const { selected, shown } = useDesign();
  const flow = useReactFlow();
  const store = useStoreApi();
  const begun = useRef(false);
  const place = places.get(selected.id);
  const { x, y } = place ?? { x: 0, y: 0 };
  useEffect(() => {
    const size = store.getState();
    if (!size.width) return;
    const box = { x, y, width: nodeWidth, height: captionHeight + pictureHeight };
    if (!begun.current) {
      begun.current = true;
      if (places.size <= few) return void flow.fitView({ ...wholeTree, duration: 0 });
      const near = [selected.id, selected.parent_id, ...(shown.children.get(selected.id) ?? [])];
      const bounds = flow.getNodesBounds(near.filter((id) => id !== null));
      const zoom = Math.min(Math.max(size.width / (bounds.width + 2 * nodeWidth), 0.3), 0.8);
      const centre = { x: x + nodeWidth / 2, y: y + box.height };
      void flow.setCenter(centre.x, centre.y, { zoom });
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
