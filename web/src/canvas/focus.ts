/** Which node is to have the keyboard's focus as soon as it is drawn. */
let wanted: string | null = null;

export function wantFocus(id: string): void {
  wanted = id;
}

/** Whether a node that is drawn now is to take the focus; said once. */
export function focusWanted(id: string): boolean {
  if (wanted !== id) return false;
  wanted = null;
  return true;
}
