import { describe, expect, it } from "vitest";
import { makeNode, makeTree } from "../tree/testing";
import { isChangeOfDesign, readNotOlder, withNodes, withProject, withVersion } from "./reduce";

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

describe("a tree that was read while events came", () => {
  const reads = (...versions: number[]) => {
    let read = 0;
    return {
      next: () => Promise.resolve({ ...tree, version: versions[Math.min(read++, versions.length - 1)] ?? 0 }),
      count: () => read,
    };
  };

  it("is read again while it is older than they", async () => {
    const server = reads(4, 5);
    expect((await readNotOlder(server.next, () => 5)).version).toBe(5);
    expect(server.count()).toBe(2);
  });

  it("is taken as it is where the server never catches up", async () => {
    const server = reads(1);
    expect((await readNotOlder(server.next, () => 5)).version).toBe(1);
    expect(server.count()).toBe(3);
  });
});
