import { describe, expect, it } from "vitest";
import { resized, stepped, widestBrush } from "./crosshair";
import { boxOf, isBox, pointIn } from "./shapes";
import { tint } from "./tint";
import { missing, regionOf, stateOf } from "./useRegion";

const size = { width: 100, height: 50 };

describe("shapes", () => {
  it("are in the picture's pixels, however large it is shown", () => {
    const frame = { left: 10, top: 20, width: 200, height: 100 };
    expect(pointIn({ clientX: 110, clientY: 70 }, frame, size)).toEqual({ x: 50, y: 25 });
    expect(pointIn({ clientX: -5, clientY: 999 }, frame, size)).toEqual({ x: 0, y: 50 });
  });

  it("are boxes from any corner", () => {
    expect(boxOf({ x: 9.6, y: 4 }, { x: 1.2, y: 20 })).toEqual([1, 4, 10, 20]);
    expect(isBox([1, 4, 10, 20], size)).toBe(true);
    for (const bad of [[], [1, 4, 1, 20], [1, 4, 101, 20], [-1, 4, 10, 20], [1, 20, 10, 4]])
      expect(isBox(bad, size)).toBe(false);
  });
});

describe("the crosshair", () => {
  const press = (key: string, shiftKey = false) => ({ key, shiftKey });
  it("moves with the arrow keys, with Shift further, and stays in the picture", () => {
    const at = { x: 50, y: 25 };
    expect(stepped(at, press("ArrowRight"), size)).toEqual({ x: 51, y: 25 });
    expect(stepped(at, press("ArrowUp", true), size)).toEqual({ x: 50, y: 17 });
    expect(stepped({ x: 99.6, y: 3 }, press("ArrowRight"), size)).toEqual({ x: 100, y: 3 });
    expect(stepped({ x: 2, y: 3 }, press("ArrowLeft", true), size)).toEqual({ x: 0, y: 3 });
    expect(stepped(at, press("a"), size)).toBeNull();
    expect(stepped(at, press("ArrowDown"), { width: 2560, height: 9 })).toEqual({ x: 50, y: 9 });
  });

  it("has a brush that grows and thins between its ends", () => {
    expect(resized(12, "]", size)).toBe(14);
    expect(resized(12, "[", size)).toBe(10);
    expect(resized(2, "[", size)).toBe(2);
    expect(resized(25, "]", size)).toBe(widestBrush(size));
    expect(resized(12, "p", size)).toBeNull();
  });
});

describe("tint", () => {
  const levels = (...values: number[]) => ({
    width: values.length,
    height: 1,
    values: new Uint8ClampedArray(values),
  });
  it("leaves the inside clear, shades the outside and draws the border", () => {
    const mask = levels(0, 0, 255, 255, 255);
    const pixels = tint(mask, mask, [9, 8, 7]);
    const alphas = [0, 1, 2, 3, 4].map((at) => pixels[at * 4 + 3]);
    expect(alphas).toEqual([140, 255, 255, 0, 0]);
    expect([...pixels.slice(4, 7)]).toEqual([9, 8, 7]);
  });

  it("shades a soft edge by how little of it is there", () => {
    const pixels = tint(levels(255, 255, 255, 255), levels(255, 204, 102, 51), [9, 8, 7]);
    expect([0, 1, 2, 3].map((at) => pixels[at * 4 + 3])).toEqual([0, 28, 84, 112]);
  });
});

describe("regions", () => {
  it("are chosen again as they were", () => {
    const regions = [
      { kind: "phrase", phrase: "the sofa", numbers: [], upload: null, invert: true },
      { kind: "point", phrase: "", numbers: [3, 4], upload: null, invert: false },
      { kind: "box", phrase: "", numbers: [1, 2, 30, 40], upload: null, invert: false },
      { kind: "mask", phrase: "", numbers: [], upload: "u1", invert: false },
      { kind: "auto", phrase: "", numbers: [], upload: null, invert: false },
    ] as const;
    for (const region of regions) {
      const state = stateOf({ ...region, numbers: [...region.numbers] });
      expect(regionOf(state)).toEqual(region);
      expect(missing(state, size, "make it green")).toBeNull();
    }
    expect(regionOf(stateOf(null))).toBeNull();
  });

  it("say what is missing", () => {
    expect(missing({ ...stateOf(null), tool: "auto" }, size, " ")).toMatch(/Say what should change/);
    expect(missing({ ...stateOf(null), tool: "phrase" }, size, "x")).toMatch(/Name/);
    expect(missing({ ...stateOf(null), tool: "brush" }, size, "x")).toMatch(/Paint/);
    const erased = {
      ...stateOf(null),
      tool: "brush" as const,
      strokes: [{ points: [{ x: 1, y: 1 }], width: 3, erase: true }],
    };
    expect(missing(erased, size, "x")).toMatch(/Paint/);
  });
});
