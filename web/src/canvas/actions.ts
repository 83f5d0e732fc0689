/** What can be done with a node, with failures told. */
import { useMemo } from "react";
import { useNodeVerb, usePatchNode, usePrune, useReplay, useUndo, type NodeVerb } from "../api/changes";
import { Problem } from "../api/client";
import type { Node, ReplayAsk } from "../api/types";
import { tell, tellError } from "../theme/Notices";
import { nameOf } from "../tree/words";

export interface NodeActions {
  readonly star: (node: Node) => void;
  readonly rename: (node: Node, label: string) => void;
  readonly prune: (node: Node) => void;
  readonly verb: (node: Node, verb: NodeVerb) => void;
  readonly replay: (node: Node, ask: ReplayAsk, then: (nodes: Node[]) => void) => void;
  readonly undo: (direction: "back" | "forth") => void;
}

const isAtTheEnd = (error: Error) => error instanceof Problem && error.code.startsWith("nothing-to-");

export function useNodeActions(project: string): NodeActions {
  const { mutate: patch } = usePatchNode(project);
  const { mutate: prune } = usePrune(project);
  const { mutate: verb } = useNodeVerb(project);
  const { mutate: replay } = useReplay(project);
  const { mutate: undo } = useUndo(project);
  return useMemo(
    () => ({
      star: (node) => patch({ node: node.id, patch: { starred: !node.starred } }, { onError: tellError }),
      rename: (node, label) => patch({ node: node.id, patch: { label } }, { onError: tellError }),
      prune: (node) => {
        if (node.parent_id === null)
          return tell("The first picture stays; throw the whole design away on the first page.");
        prune(node.id, {
          onError: tellError,
          onSuccess: () => tell(`“${nameOf(node)}” is pruned. Z brings it back.`),
        });
      },
      verb: (node, what) => verb({ node: node.id, verb: what }, { onError: tellError }),
      replay: (node, ask, then) =>
        replay(
          { node: node.id, ask },
          { onError: tellError, onSuccess: (answer) => then(Array.isArray(answer) ? answer : [answer]) },
        ),
      undo: (direction) =>
        undo(direction, {
          onError: (error) => (isAtTheEnd(error) ? tell(error.message) : tellError(error)),
          onSuccess: (tree) =>
            tell(direction === "back" ? `Took back: ${tree.can_redo}` : `Made again: ${tree.can_undo}`),
        }),
    }),
    [patch, prune, verb, replay, undo],
  );
}
