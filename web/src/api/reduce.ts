/** Fold what the server tells into the tree that the page shows. */
import type { Node, Project, Tree } from "./types";

/** Put nodes into a tree: known ones are replaced in place, new ones come last. The same tree if nothing differs. */
export function withNodes(tree: Tree, changed: readonly Node[]): Tree {
  const incoming = new Map(
    changed.filter((node) => node.project_id === tree.project.id).map((n) => [n.id, n]),
  );
  if (incoming.size === 0) return tree;
  const nodes = tree.nodes.map((node) => {
    const next = incoming.get(node.id);
    incoming.delete(node.id);
    return next ?? node;
  });
  return { ...tree, nodes: [...nodes, ...incoming.values()] };
}

export function withProject(tree: Tree, project: Project): Tree {
  return project.id === tree.project.id ? { ...tree, project } : tree;
}

/** Whether what can be undone may differ between two states of a node: more than its progress changed. */
export function isChangeOfDesign(before: Node | undefined, after: Node): boolean {
  if (!before) return true;
  return before.label !== after.label || before.starred !== after.starred || before.pruned !== after.pruned;
}

/** The later of two versions, as events and answers may overtake each other. */
export function withVersion(tree: Tree, version: number): Tree {
  return version > tree.version ? { ...tree, version } : tree;
}

const tries = 3;

/** Read a tree that is no older than what events told meanwhile: `known` says that version, asked after each reading. */
export async function readNotOlder(read: () => Promise<Tree>, known: () => number): Promise<Tree> {
  let tree = await read();
  for (let again = 1; again < tries && tree.version < known(); again++) tree = await read();
  return tree;
}
