/** Which key does what on the canvas. */

export type Action =
  | "up"
  | "down"
  | "left"
  | "right"
  | "branch"
  | "again"
  | "details"
  | "compare"
  | "mark"
  | "download"
  | "star"
  | "prune"
  | "restore"
  | "undo"
  | "redo"
  | "fit"
  | "zoom-in"
  | "zoom-out"
  | "keys";

export interface Press {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

const plain: Readonly<Record<string, Action>> = {
  arrowup: "up",
  arrowdown: "down",
  arrowleft: "left",
  arrowright: "right",
  enter: "branch",
  " ": "details",
  a: "again",
  c: "compare",
  m: "mark",
  d: "download",
  s: "star",
  backspace: "prune",
  delete: "prune",
  r: "restore",
  z: "undo",
  f: "fit",
  "+": "zoom-in",
  "=": "zoom-in",
  "-": "zoom-out",
  "?": "keys",
};

/** What a press asks for, or null. Ctrl or ⌘ go with Z only; everything else with them is the browser's. */
export function actionOf(press: Press): Action | null {
  const key = press.key.toLowerCase();
  if (press.altKey) return null;
  if (key === "z" && press.shiftKey) return "redo";
  if (press.ctrlKey || press.metaKey) return key === "z" ? "undo" : null;
  if (press.shiftKey && key !== "?" && key !== "+") return null;
  return plain[key] ?? null;
}

/** For the list of keys that ? shows. */
export const keyGroups: readonly { title: string; keys: readonly (readonly [string, string])[] }[] = [
  {
    title: "Move",
    keys: [
      ["↑", "To the picture this one was made of"],
      ["↓", "To a picture made of this one"],
      ["← →", "To the neighbours"],
      ["F", "Show the whole tree"],
      ["+ −", "Closer, farther"],
    ],
  },
  {
    title: "Edit",
    keys: [
      ["Enter", "Say what should change, and branch"],
      ["A", "Ask for this picture again, with changes"],
      ["S", "Star, or take the star away"],
      ["Backspace", "Prune: hide this picture and all below it"],
      ["R", "Restore a pruned picture, or retry one that failed"],
      ["Z", "Undo"],
      ["Shift Z", "Redo"],
    ],
  },
  {
    title: "Look",
    keys: [
      ["Space", "Open or close the details"],
      ["C", "Compare with the picture before, or with the one marked"],
      ["M", "Mark this picture to compare another with it, as Shift-click does"],
      ["D", "Download, with the settings inside"],
      ["Esc", "Close what is open"],
      ["?", "These keys"],
    ],
  },
  {
    title: "Draw a region, in the picture of its dialog",
    keys: [
      ["↑ ↓ ← →", "Move the crosshair; with Shift further"],
      ["Space", "Put the brush down or lift it, set a corner of the box, choose the object"],
      ["[ ]", "Thinner or wider brush"],
      ["E", "Eraser, or the brush again"],
      ["Backspace", "Take the last stroke back"],
    ],
  },
];
