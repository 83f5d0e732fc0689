import { describe, expect, it } from "vitest";
import { familyOf } from "../tree/family";
import { makeNode, makeTree } from "../tree/testing";
import { flowNodes, levels, variations } from "./flow";
import { shifted } from "./reveal";
import { layout } from "../tree/layout";

const tree = makeTree({ r: null, a: "r", b: "r", c: "a" });

function shown(nodes = tree.nodes, selected = "r") {
  const family = familyOf(nodes, "r");
  return { family, places: layout(family, 184), pictureHeight: 184, selected, marked: null };
}

describe("what the canvas draws", () => {
  it("keeps the identity of every node that did not change", () => {
    const before = new Map(flowNodes(shown(), new Map()).map((node) => [node.id, node]));
    const starred = tree.nodes.map((node) => (node.id === "a" ? { ...node, starred: true } : node));
    const after = flowNodes(shown(starred), before);
    expect(after.filter((node) => before.get(node.id) !== node).map(({ id }) => id)).toEqual(["a"]);
    const moved = flowNodes(shown(tree.nodes, "c"), before);
    expect(moved.filter((node) => before.get(node.id) !== node).map(({ id }) => id)).toEqual(["r", "c"]);
  });

  it("numbers tries of the same words, and levels", () => {
    const same = { request: { instruction: "x" } };
    const family = familyOf(
      [makeNode("r", null), makeNode("a", "r", same), makeNode("b", "r"), makeNode("c", "r", same)],
      "r",
    );
    expect([...variations(family)]).toEqual([
      ["a", 0],
      ["b", 0],
      ["c", 2],
    ]);
    expect(levels(familyOf(tree.nodes, "r")).get("c")).toBe(3);
  });
});

describe("keeping the selection in view", () => {
  const size = { width: 1000, height: 800 };
  const view = { x: 0, y: 0, zoom: 1 };
  it("moves nothing where it is in view", () => {
    expect(shifted(view, { x: 100, y: 100, width: 184, height: 234 }, size)).toBeNull();
  });

  it("moves as little as shows all of it", () => {
    expect(shifted(view, { x: 900, y: 100, width: 184, height: 234 }, size)).toEqual({
      x: -108,
      y: 0,
      zoom: 1,
    });
    expect(shifted(view, { x: -50, y: -60, width: 184, height: 234 }, size)).toEqual({
      x: 74,
      y: 84,
      zoom: 1,
    });
  });
});
