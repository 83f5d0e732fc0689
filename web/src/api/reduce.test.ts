import { describe, expect, it } from "vitest";
import { makeNode, makeTree } from "../tree/testing";
import { isChangeOfDesign, withNodes, withProject, withVersion } from "./reduce";

const tree = makeTree({ r: null, a: "r" });

describe("events in a tree", () => {
  it("replace known nodes in place and add new ones at the end", () => {
    const next = withNodes(tree, [makeNode("b", "r"), makeNode("a", "r", { starred: true })]);
    expect(next.nodes.map(({ id, starred }) => [id, starred])).toEqual([
      ["r", false],
      ["a", true],
      ["b", false],
    ]);
    expect(next.nodes[0]).toBe(tree.nodes[0]);
    expect(tree.nodes).toHaveLength(2);
  });

  it("say the same twice without harm", () => {
    const node = makeNode("b", "r");
    expect(withNodes(withNodes(tree, [node]), [node]).nodes).toHaveLength(3);
  });

  it("leave other designs alone", () => {
    expect(withNodes(tree, [makeNode("x", "r", { project_id: "other" })])).toBe(tree);
    expect(withProject(tree, { ...tree.project, id: "other" })).toBe(tree);
  });

  it("never bring the version back", () => {
    expect(withVersion(tree, 0)).toBe(tree);
    expect(withVersion(tree, 9).version).toBe(9);
  });

  it("tell changes of the design from mere progress", () => {
    const node = makeNode("a", "r", { state: "running" });
    expect(isChangeOfDesign(node, { ...node, progress: { done: 1, total: 2 }, state: "done" })).toBe(false);
    expect(isChangeOfDesign(node, { ...node, pruned: true })).toBe(true);
    expect(isChangeOfDesign(undefined, node)).toBe(true);
  });
});
