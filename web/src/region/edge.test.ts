import { describe, expect, it } from "vitest";
import { inverted, type Levels, reached, softened } from "./edge";

// Made by core/region_shape.py of `mask`: grow by 2, shrink by 1, feather by 3.
const mask = [
  "200 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 255 255 255 255 255 255 255 0 0 0 0",
  "0 0 0 255 255 255 255 255 255 255 0 0 0 0",
  "0 0 0 255 255 255 255 255 255 255 255 255 255 0",
  "0 0 0 255 255 90 255 255 255 255 0 0 0 0",
  "0 0 0 255 255 255 255 255 255 255 0 0 0 0",
  "0 0 0 255 255 255 255 255 255 255 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
];
const grown = [
  "255 255 255 255 255 255 255 255 255 255 0 0 0 0",
  "255 255 255 255 255 255 255 255 255 255 255 0 0 0",
  "255 255 255 255 255 255 255 255 255 255 255 255 255 0",
  "0 255 255 255 255 255 255 255 255 255 255 255 255 255",
  "0 255 255 255 255 255 255 255 255 255 255 255 255 255",
  "0 255 255 255 255 255 255 255 255 255 255 255 255 255",
  "0 255 255 255 255 255 255 255 255 255 255 255 255 0",
  "0 255 255 255 255 255 255 255 255 255 255 255 0 0",
  "0 0 255 255 255 255 255 255 255 255 255 0 0 0",
  "0 0 0 255 255 255 255 255 255 255 0 0 0 0",
];
const shrunk = [
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 0 255 255 255 255 255 0 0 0 0 0",
  "0 0 0 0 255 0 255 255 255 255 0 0 0 0",
  "0 0 0 0 0 0 0 255 255 0 0 0 0 0",
  "0 0 0 0 255 0 255 255 255 0 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
];
const feathered = [
  "200 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 128 128 128 114 114 114 114 0 0 0 0",
  "0 0 0 128 255 228 228 228 228 114 0 0 0 0",
  "0 0 0 128 161 114 161 255 255 161 114 114 180 0",
  "0 0 0 128 128 0 114 228 228 114 0 0 0 0",
  "0 0 0 180 180 128 161 228 228 114 0 0 0 0",
  "0 0 0 180 180 128 128 114 114 128 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
  "0 0 0 0 0 0 0 0 0 0 0 0 0 0",
];

const levels = (rows: readonly string[]): Levels => {
  const values = rows.flatMap((row) => row.split(" ").map(Number));
  return { width: values.length / rows.length, height: rows.length, values: new Uint8ClampedArray(values) };
};
const rowsOf = ({ width, height, values }: Levels) =>
  Array.from({ length: height }, (_, y) => values.slice(y * width, (y + 1) * width).join(" "));

describe("the edge of a region", () => {
  it("is what the server makes of it", () => {
    const region = levels(mask);
    expect(rowsOf(reached(region, { grow: 2, feather: 0 }))).toEqual(grown);
    expect(rowsOf(reached(region, { grow: -1, feather: 0 }))).toEqual(shrunk);
    expect(rowsOf(softened(region, { grow: 0, feather: 3 }))).toEqual(feathered);
  });

  it("stays where nothing is asked, and where the region is empty or everything", () => {
    const region = levels(mask);
    expect(reached(region, { grow: 0.3, feather: 0 })).toBe(region);
    const empty = levels(["0 0", "0 0"]);
    const all = inverted(empty);
    expect(rowsOf(reached(empty, { grow: 5, feather: 0 }))).toEqual(["0 0", "0 0"]);
    for (const edge of [
      { grow: -5, feather: 0 },
      { grow: 0, feather: 5 },
    ])
      expect(rowsOf(softened(reached(all, edge), edge))).toEqual(["255 255", "255 255"]);
  });

  it("turns round before it grows", () => {
    const region = levels(["0 0 0 255 255 255"]);
    expect(rowsOf(reached(inverted(region), { grow: 1, feather: 0 }))).toEqual(["255 255 255 255 0 0"]);
  });
});
