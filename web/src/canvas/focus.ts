/** Which node is to have the keyboard's focus as soon as it is drawn. */
let wanted: string | null = null;

/** Give a node the focus: now where it is drawn, else as soon as it is. */
export function wantFocus(id: string): void {
  const drawn = document.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"] [role="treeitem"]`);
  wanted = drawn ? null : id;
  drawn?.focus({ preventScroll: true });
}

/** Whether a node that is drawn now is to take the focus; said once. */
export function focusWanted(id: string): boolean {
  if (wanted !== id) return false;
  wanted = null;
  return true;
}
