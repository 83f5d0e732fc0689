/** Hear the canvas' keys wherever the focus is, unless something there needs them itself. */
import { useEffect, useRef } from "react";
import { type Action, actionOf } from "./keymap";

const writing =
  'input, textarea, select, [contenteditable="true"], [role="dialog"], [role="menu"], [role="slider"]';
const pressing = 'button, a[href], [role="radio"], [role="menuitem"], [role="tab"], summary, label';
const needed = new Set<Action>(["branch", "details", "up", "down", "left", "right"]);

function isTaken(target: EventTarget | null, action: Action): boolean {
  if (!(target instanceof Element)) return false;
  if (target.closest(writing)) return true;
  return needed.has(action) && target.closest(pressing) !== null;
}

export function useKeys(act: (action: Action) => void, enabled: boolean): void {
  const latest = useRef(act);
  useEffect(() => {
    latest.current = act;
  });
  useEffect(() => {
    if (!enabled) return;
    const hear = (event: KeyboardEvent) => {
      const action = actionOf(event);
      if (!action || event.defaultPrevented || isTaken(event.target, action)) return;
      event.preventDefault();
      latest.current(action);
    };
    window.addEventListener("keydown", hear);
    return () => window.removeEventListener("keydown", hear);
  }, [enabled]);
}
