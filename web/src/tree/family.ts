/** Who is whose parent in a design: paths, children, neighbours, what is below. */
import type { Node } from "../api/types";

export interface Family {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly children: ReadonlyMap<string, readonly string[]>;
  readonly root: string;
}

/** Index nodes by id and parent; children keep the order in which they were asked for. */
export function familyOf(nodes: readonly Node[], root: string): Family {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const children = new Map<string, string[]>();
  for (const node of nodes) {
    if (node.parent_id === null || !byId.has(node.parent_id)) continue;
    const siblings = children.get(node.parent_id);
    if (siblings) siblings.push(node.id);
    else children.set(node.parent_id, [node.id]);
  }
  return { nodes: byId, children, root };
}

/** The family without what is pruned and all below it. */
export function visible(family: Family, showPruned: boolean): Family {
  if (showPruned) return family;
  const shown = (id: string) => !family.nodes.get(id)?.pruned;
  const children = new Map([...family.children].map(([id, ids]) => [id, ids.filter(shown)]));
  const kept = inOrder({ ...family, children }).flatMap((id) => family.nodes.get(id) ?? []);
  return familyOf(kept, family.root);
}

/** Every node reachable from the root, parents before children. */
export function inOrder(family: Family): string[] {
  const order: string[] = [];
  const waiting = [family.root];
  while (waiting.length > 0) {
    const id = waiting.pop() as string;
    if (!family.nodes.has(id)) continue;
    order.push(id);
    waiting.push(...[...(family.children.get(id) ?? [])].reverse());
  }
  return order;
}

/** From the root down to a node, both included. */
export function path(family: Family, id: string): Node[] {
  const steps: Node[] = [];
  const seen = new Set<string>();
  let node = family.nodes.get(id);
  while (node && !seen.has(node.id)) {
    seen.add(node.id);
    steps.push(node);
    node = node.parent_id === null ? undefined : family.nodes.get(node.parent_id);
  }
  return steps.reverse();
}

/** A node and all below it. */
export function below(family: Family, id: string): string[] {
  return inOrder({ ...family, root: id });
}

export function siblings(family: Family, id: string): readonly string[] {
  const parent = family.nodes.get(id)?.parent_id;
  return parent ? (family.children.get(parent) ?? []) : [id];
}

export type Direction = "up" | "down" | "left" | "right";

/** All nodes of one depth from left to right. */
function row(family: Family, depth: number): string[] {
  let ids = [family.root];
  for (let level = 0; level < depth; level += 1) ids = ids.flatMap((id) => family.children.get(id) ?? []);
  return ids;
}

/**
 * Where an arrow leads: to the parent, the child last visited (else the first), or the next of the same depth.
 * Null where there is nothing.
 */
export function neighbour(
  family: Family,
  id: string,
  direction: Direction,
  visited: ReadonlyMap<string, string> = new Map(),
): string | null {
  const node = family.nodes.get(id);
  if (!node) return family.nodes.has(family.root) ? family.root : null;
  if (direction === "up") return node.parent_id;
  if (direction === "down") {
    const children = family.children.get(id) ?? [];
    const last = visited.get(id);
    return last && children.includes(last) ? last : (children[0] ?? null);
  }
  const peers = row(family, path(family, id).length - 1);
  return peers[peers.indexOf(id) + (direction === "left" ? -1 : 1)] ?? null;
}

/** Which node to show when one is hidden: the nearest that is still there, upwards. */
export function survivor(all: Family, shown: Family, id: string): string {
  const steps = path(all, id).reverse();
  return steps.find((node) => shown.nodes.has(node.id))?.id ?? shown.root;
}
