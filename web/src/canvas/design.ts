/** The design that is shown, for every part of its page. */
import { createContext, useContext } from "react";
import type { Node, Tree } from "../api/types";
import type { Family } from "../tree/family";

export interface Design {
  readonly tree: Tree;
  /** Every node, the pruned too. */
  readonly all: Family;
  /** What is on the canvas. */
  readonly shown: Family;
  readonly selected: Node;
  /** A second node, picked by Shift-click or M to be compared with the selected one. */
  readonly marked: string | null;
  /** Select a node; `focus` moves the keyboard's focus there as well, `keepMark` leaves the second one marked. */
  readonly select: (id: string, focus?: boolean, keepMark?: boolean) => void;
  readonly mark: (id: string | null) => void;
  readonly compare: (left: string, right: string) => void;
  /** Put the cursor into the composer. */
  readonly say: () => void;
}

export const DesignContext = createContext<Design | null>(null);

export function useDesign(): Design {
  const design = useContext(DesignContext);
  if (!design) throw new Error("There is no design around this component; put it inside DesignContext.");
  return design;
}
