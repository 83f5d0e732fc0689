import { describe, expect, it } from "vitest";
import { actionOf } from "./keymap";

const press = (key: string, change: object = {}) =>
  actionOf({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...change });

describe("keys", () => {
  it("do what the list says", () => {
    expect(
      ["ArrowUp", "Enter", "c", "s", "Backspace", "z", " ", "f", "m", "d"].map((key) => press(key)),
    ).toEqual(["up", "branch", "compare", "star", "prune", "undo", "details", "fit", "mark", "download"]);
    expect(press("?", { shiftKey: true })).toBe("keys");
  });

  it("undo and redo in every habit", () => {
    expect(press("Z", { shiftKey: true })).toBe("redo");
    expect(press("z", { ctrlKey: true })).toBe("undo");
    expect(press("Z", { metaKey: true, shiftKey: true })).toBe("redo");
  });

  it("leave the browser's own keys to it", () => {
    expect(press("c", { ctrlKey: true })).toBeNull();
    expect(press("s", { metaKey: true })).toBeNull();
    expect(press("ArrowLeft", { altKey: true })).toBeNull();
    expect(press("Tab")).toBeNull();
  });
});
