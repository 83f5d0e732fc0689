import { describe, expect, it } from "vitest";
import { familyOf } from "./family";
import { layout, nodeWidth, pictureHeightOf, shapeOf } from "./layout";
import { makeTree } from "./testing";

/** A thousand nodes whose parents are drawn by a fixed generator. */
function thousand(): Record<string, string | null> {
  let state = 1;
  const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
  const parents: Record<string, string | null> = { n0: null };
  for (let index = 1; index < 1000; index += 1) parents[`n${index}`] = `n${Math.floor(random() * index)}`;
  return parents;
}

const family = familyOf(makeTree(thousand()).nodes, "n0");
const places = layout(family, 184);

describe("layout", () => {
  it("gives every node a place of its own: none overlap", () => {
    expect(places.size).toBe(1000);
    const rows = new Map<number, number[]>();
    for (const { x, y } of places.values()) rows.set(y, [...(rows.get(y) ?? []), x]);
    for (const row of rows.values()) {
      row.sort((one, other) => one - other);
      for (let at = 1; at < row.length; at += 1)
        expect((row[at] ?? 0) - (row[at - 1] ?? 0)).toBeGreaterThanOrEqual(nodeWidth);
    }
  });

  it("keeps siblings in order, below their parent", () => {
    for (const [parent, children] of family.children) {
      const xs = children.map((id) => places.get(id)?.x ?? NaN);
      expect(xs).toEqual([...xs].sort((one, other) => one - other));
      for (const id of children) expect(places.get(id)?.y).toBeGreaterThan(places.get(parent)?.y ?? NaN);
    }
  });

  it("draws a chain of a thousand", () => {
    const chain = Object.fromEntries(
      Array.from({ length: 1000 }, (_, at) => [`c${at}`, at ? `c${at - 1}` : null]),
    );
    expect(layout(familyOf(makeTree(chain).nodes, "c0"), 184).size).toBe(1000);
  });

  it("is empty where there is no root", () => {
    expect(layout(familyOf([], "n0"), 184).size).toBe(0);
  });

  it("depends on ids and parents only", () => {
    const tree = makeTree({ r: null, a: "r" });
    const starred = tree.nodes.map((node) => ({ ...node, starred: true, label: "x" }));
    expect(shapeOf(familyOf(starred, "r"))).toBe(shapeOf(familyOf(tree.nodes, "r")));
    expect(shapeOf(familyOf(makeTree({ r: null, a: "r", b: "r" }).nodes, "r"))).not.toBe(
      shapeOf(familyOf(makeTree({ r: null, a: "r", b: "a" }).nodes, "r")),
    );
  });

  it("shows pictures in their shape, within reason", () => {
    expect(pictureHeightOf(100, 100)).toBe(nodeWidth);
    expect(pictureHeightOf(1500, 1000)).toBe(Math.round(nodeWidth / 1.5));
    expect(pictureHeightOf(10, 1000)).toBe(Math.round(nodeWidth * 1.4));
    expect(pictureHeightOf(null, null)).toBe(nodeWidth);
  });
});
