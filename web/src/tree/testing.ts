/** Nodes and trees for tests. */
import type { Node, Tree } from "../api/types";

export function makeNode(id: string, parent: string | null, change: Partial<Node> = {}): Node {
  return {
    id,
    project_id: "p",
    parent_id: parent,
    state: "done",
    request: parent === null ? null : { instruction: `make ${id}` },
    label: "",
    starred: false,
    pruned: false,
    created_at: "2026-01-01T00:00:00Z",
    finished_at: "2026-01-01T00:00:01Z",
    width: 256,
    height: 256,
    error: null,
    warnings: [],
    progress: null,
    place: null,
    attempts: 1,
    ...change,
  };
}

/** A tree of nodes given as id → parent; the first is the root. */
export function makeTree(parents: Record<string, string | null>): Tree {
  const nodes = Object.entries(parents).map(([id, parent]) => makeNode(id, parent));
  const root = nodes[0]?.id ?? "";
  return {
    project: {
      id: "p",
      title: "A room",
      created_at: "2026-01-01T00:00:00Z",
      updated_at: "2026-01-01T00:00:00Z",
      trashed_at: null,
      nodes: nodes.length,
      starred: 0,
      root_id: root,
      cover_id: root,
    },
    nodes,
    can_undo: null,
    can_redo: null,
    version: 1,
  };
}
