import { describe, expect, it } from "vitest";
import { difference } from "./difference";
import { columnAt, fitted, mostScale, moved, zoomed } from "./view";

describe("view", () => {
  const view = { scale: 2, x: 10, y: -4 };
  it("keeps what is under the pointer there", () => {
    const at = { x: 90, y: 36 };
    const next = zoomed(view, 1.7, at);
    expect((at.x - next.x) / next.scale).toBeCloseTo((at.x - view.x) / view.scale);
    expect((at.y - next.y) / next.scale).toBeCloseTo((at.y - view.y) / view.scale);
  });

  it("knows bounds", () => {
    expect(zoomed(view, 1e9, { x: 0, y: 0 }).scale).toBe(mostScale);
    expect(moved(view, 5, 6)).toEqual({ scale: 2, x: 15, y: 2 });
    expect(fitted({ width: 200, height: 100 }, { width: 432, height: 400 })).toEqual({
      scale: 2,
      x: 16,
      y: 100,
    });
    expect(fitted({ width: 200, height: 100 }, { width: 0, height: 0 }).scale).toBeGreaterThan(0);
  });

  it("finds the column of pixels, whole and within the picture", () => {
    expect(columnAt(view, 10, 256)).toBe(0);
    expect(columnAt(view, 13.1, 256)).toBe(2);
    expect(columnAt(view, -500, 256)).toBe(0);
    expect(columnAt(view, 9999, 256)).toBe(256);
  });
});

describe("difference", () => {
  it("is the largest of the channels, amplified and cut off at white", () => {
    const one = new Uint8ClampedArray([10, 20, 30, 255, 0, 0, 0, 255, 7, 7, 7, 255]);
    const other = new Uint8ClampedArray([12, 15, 30, 255, 200, 0, 0, 255, 7, 7, 7, 0]);
    expect([...difference(one, other, 4)]).toEqual([20, 20, 20, 255, 255, 255, 255, 255, 0, 0, 0, 255]);
  });

  it("is black for the same picture", () => {
    const same = new Uint8ClampedArray([1, 2, 3, 255]);
    expect([...difference(same, same, 32)]).toEqual([0, 0, 0, 255]);
  });
});
