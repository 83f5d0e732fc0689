/** Pan and zoom of a compare window by wheel, drag, two fingers and keys; several windows may share one view. */
import { type PointerEvent, useCallback, useEffect, useRef, useState } from "react";
import { fitted, moved, type View, zoomed } from "./view";

interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Controls {
  readonly view: View | null;
  readonly fit: () => void;
  readonly actual: () => void;
  readonly zoom: (factor: number) => void;
  readonly handlers: {
    onPointerDown: (event: PointerEvent<HTMLElement>) => void;
    onPointerMove: (event: PointerEvent<HTMLElement>) => void;
    onPointerUp: (event: PointerEvent<HTMLElement>) => void;
    onPointerCancel: (event: PointerEvent<HTMLElement>) => void;
  };
}

function within(event: { clientX: number; clientY: number }, element: Element): { x: number; y: number } {
  const { left, top } = element.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

/** The view of a window, and what to give that window as its `ref`. */
export function useView(picture: Size | null): [Controls, (element: HTMLElement | null) => void] {
  const [view, setView] = useState<View | null>(null);
  const [element, setElement] = useState<HTMLElement | null>(null);
  const fingers = useRef(new Map<number, { x: number; y: number }>());
  const fit = useCallback(() => {
    if (picture && element)
      setView(fitted(picture, { width: element.clientWidth, height: element.clientHeight }));
  }, [picture, element]);
  useEffect(() => {
    if (!element) return;
    const watcher = new ResizeObserver(fit);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [element, fit]);
  useEffect(() => {
    if (!element) return;
    // Not React's onWheel, which is passive and would scroll the page as well.
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const at = within(event, event.currentTarget as Element);
      setView((old) => old && zoomed(old, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), at));
    };
    const parent = element.parentElement;
    const windows = parent
      ? [...parent.children].filter((child): child is HTMLElement => child instanceof HTMLElement)
      : [];
    windows.forEach((one) => one.addEventListener("wheel", wheel, { passive: false }));
    return () => windows.forEach((one) => one.removeEventListener("wheel", wheel));
  }, [element]);
  const middle = () => ({ x: (element?.clientWidth ?? 0) / 2, y: (element?.clientHeight ?? 0) / 2 });
  const zoom = (factor: number) => setView((old) => old && zoomed(old, factor, middle()));
  const actual = () =>
    setView((old) => old && zoomed(old, 1 / old.scale / window.devicePixelRatio, middle()));
  const release = (event: PointerEvent<HTMLElement>) => fingers.current.delete(event.pointerId);
  const controls: Controls = {
    view,
    fit,
    actual,
    zoom,
    handlers: {
      onPointerDown: (event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        fingers.current.set(event.pointerId, within(event, event.currentTarget));
      },
      onPointerMove: (event) => {
        const before = fingers.current.get(event.pointerId);
        if (!before) return;
        const now = within(event, event.currentTarget);
        const other = [...fingers.current].find(([id]) => id !== event.pointerId)?.[1];
        fingers.current.set(event.pointerId, now);
        if (!other) return setView((old) => old && moved(old, now.x - before.x, now.y - before.y));
        const factor =
          Math.hypot(now.x - other.x, now.y - other.y) /
          Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
        setView((old) => old && zoomed(old, factor, { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 }));
      },
      onPointerUp: release,
      onPointerCancel: release,
    },
  };
  return [controls, setElement];
}
