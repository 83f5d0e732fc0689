import { describe, expect, it } from "vitest";
import { makeNode, makeTree } from "./testing";
import { below, familyOf, inOrder, neighbour, path, siblings, survivor, visible } from "./family";

//      r
//    /   \
//   a     b
//  / \     \
// c   d     e
const tree = makeTree({ r: null, a: "r", b: "r", c: "a", d: "a", e: "b" });
const family = familyOf(tree.nodes, "r");

describe("family", () => {
  it("lists paths, descendants and siblings", () => {
    expect(path(family, "d").map(({ id }) => id)).toEqual(["r", "a", "d"]);
    expect(below(family, "a")).toEqual(["a", "c", "d"]);
    expect(siblings(family, "c")).toEqual(["c", "d"]);
    expect(inOrder(family)).toEqual(["r", "a", "c", "d", "b", "e"]);
  });

  it("gives nothing for what is not there", () => {
    expect(path(family, "x")).toEqual([]);
    expect(below(family, "x")).toEqual([]);
    expect(neighbour(family, "x", "up")).toBe("r");
  });

  it("ends even where parents go round in a circle", () => {
    const round = familyOf([makeNode("p", "q"), makeNode("q", "p")], "p");
    expect(path(round, "p").map(({ id }) => id)).toEqual(["q", "p"]);
  });

  it("hides the pruned and all below them", () => {
    const pruned = tree.nodes.map((node) => (node.id === "a" ? { ...node, pruned: true } : node));
    const all = familyOf(pruned, "r");
    const shown = visible(all, false);
    expect([...shown.nodes.keys()]).toEqual(["r", "b", "e"]);
    expect(shown.children.get("r")).toEqual(["b"]);
    expect(visible(all, true)).toBe(all);
    expect(survivor(all, shown, "d")).toBe("r");
    expect(survivor(all, shown, "e")).toBe("e");
    expect(survivor(all, shown, "never was")).toBe("r");
  });
});

describe("neighbour", () => {
  it("goes up to the parent and down to the first child", () => {
    expect(neighbour(family, "c", "up")).toBe("a");
    expect(neighbour(family, "r", "up")).toBeNull();
    expect(neighbour(family, "a", "down")).toBe("c");
    expect(neighbour(family, "c", "down")).toBeNull();
  });

  it("goes down to the child that was last visited, while it is there", () => {
    expect(neighbour(family, "a", "down", new Map([["a", "d"]]))).toBe("d");
    expect(neighbour(family, "a", "down", new Map([["a", "gone"]]))).toBe("c");
  });

  it("goes sideways over the whole row, and stops at its ends", () => {
    expect(neighbour(family, "c", "right")).toBe("d");
    expect(neighbour(family, "d", "right")).toBe("e");
    expect(neighbour(family, "e", "left")).toBe("d");
    expect(neighbour(family, "e", "right")).toBeNull();
    expect(neighbour(family, "r", "left")).toBeNull();
  });

  it("comes back: left undoes right, down undoes up", () => {
    for (const id of family.nodes.keys()) {
      const right = neighbour(family, id, "right");
      if (right) expect(neighbour(family, right, "left")).toBe(id);
      const up = neighbour(family, id, "up");
      if (up) expect(neighbour(family, up, "down", new Map([[up, id]]))).toBe(id);
    }
  });
});
