/** A family as the nodes that the canvas draws; what did not change keeps its identity. */
import type { Node as FlowNode } from "@xyflow/react";
import type { Node } from "../api/types";
import type { Family } from "../tree/family";
import { captionHeight, nodeWidth, type Place } from "../tree/layout";

export interface NodeData extends Record<string, unknown> {
  readonly node: Node;
  readonly children: number;
  readonly level: number;
  /** Among tries of the same words: 2 for the second, 0 for the first or only one. */
  readonly variation: number;
  readonly pictureHeight: number;
  readonly marked: boolean;
}

export type PictureNode = FlowNode<NodeData, "picture">;

/** Number the tries of the same words among siblings. */
export function variations(family: Family): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const ids of family.children.values()) {
    const seen = new Map<string, number>();
    for (const id of ids) {
      const words = family.nodes.get(id)?.request?.instruction ?? "";
      const count = (seen.get(words) ?? 0) + 1;
      seen.set(words, count);
      numbers.set(id, count > 1 ? count : 0);
    }
  }
  return numbers;
}

/** How far each node is from the root, which is at 1. */
export function levels(family: Family): Map<string, number> {
  const found = new Map<string, number>([[family.root, 1]]);
  const waiting = [family.root];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    for (const child of family.children.get(id) ?? []) {
      found.set(child, (found.get(id) ?? 1) + 1);
      waiting.push(child);
    }
  }
  return found;
}

interface Shown {
  family: Family;
  places: ReadonlyMap<string, Place>;
  pictureHeight: number;
  selected: string;
  marked: string | null;
}

function same(old: PictureNode, data: NodeData, place: Place, selected: boolean): boolean {
  const was = old.data;
  return (
    old.selected === selected &&
    old.position.x === place.x &&
    old.position.y === place.y &&
    was.node === data.node &&
    was.children === data.children &&
    was.level === data.level &&
    was.variation === data.variation &&
    was.pictureHeight === data.pictureHeight &&
    was.marked === data.marked
  );
}

/** The nodes to draw; `before` holds those drawn last. */
export function flowNodes(shown: Shown, before: ReadonlyMap<string, PictureNode>): PictureNode[] {
  const { family, places, pictureHeight, selected, marked } = shown;
  const numbers = variations(family);
  const level = levels(family);
  const height = captionHeight + pictureHeight;
  const nodes: PictureNode[] = [];
  for (const [id, node] of family.nodes) {
    const place = places.get(id);
    if (!place) continue;
    const data: NodeData = {
      node,
      children: family.children.get(id)?.length ?? 0,
      level: level.get(id) ?? 1,
      variation: numbers.get(id) ?? 0,
      pictureHeight,
      marked: marked === id,
    };
    const old = before.get(id);
    if (old && same(old, data, place, selected === id)) {
      nodes.push(old);
      continue;
    }
    nodes.push({
      id,
      type: "picture",
      position: place,
      data,
      selected: selected === id,
      width: nodeWidth,
      height,
      measured: { width: nodeWidth, height },
      // The wrapper is nothing; the tree's item is inside it.
      ariaRole: "none",
      domAttributes: { "aria-roledescription": undefined },
    });
  }
  return nodes;
}
