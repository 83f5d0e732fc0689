/** A region while it is being chosen: the tool, what was drawn, what was found. */
import { useState } from "react";
import { useLookUp, useUpload } from "../api/changes";
import { useLookup } from "../api/queries";
import type { Lookup, Node, Region, RegionKind } from "../api/types";
import { tellError } from "../theme/Notices";
import { isBox, maskOfStrokes, type Size, type Stroke } from "./shapes";

export type Tool = Exclude<RegionKind, "mask"> | "brush";

export interface RegionState {
  readonly tool: Tool;
  readonly phrase: string;
  readonly point: readonly number[];
  readonly box: readonly number[];
  readonly strokes: readonly Stroke[];
  /** An uploaded mask that was chosen before. */
  readonly upload: string | null;
  readonly invert: boolean;
}

export function stateOf(region: Region | null): RegionState {
  const kind = region?.kind ?? "whole";
  const numbers = region?.numbers ?? [];
  return {
    tool: kind === "mask" ? "brush" : kind,
    phrase: region?.phrase ?? "",
    point: kind === "point" ? numbers : [],
    box: kind === "box" ? numbers : [],
    strokes: [],
    upload: region?.upload ?? null,
    invert: region?.invert ?? false,
  };
}

/** What is missing before the region can be used, as a sentence; null where nothing is. */
export function missing(state: RegionState, size: Size, instruction: string): string | null {
  switch (state.tool) {
    case "whole":
      return null;
    case "auto":
      return instruction.trim()
        ? null
        : "Say what should change first; the region is found from these words.";
    case "phrase":
      return state.phrase.trim() ? null : "Name what should change, such as “the sofa”.";
    case "point":
      return state.point.length === 2 ? null : "Click the object in the picture.";
    case "box":
      return isBox(state.box, size) ? null : "Draw a box in the picture, or give its four edges.";
    case "brush":
      return state.strokes.some(({ erase }) => !erase) || state.upload
        ? null
        : "Paint over what should change.";
  }
}

/** The region as the server takes it, but for a painted one, which needs an upload; null is the whole picture. */
export function regionOf(state: RegionState): Region | null {
  const { tool, invert } = state;
  if (tool === "whole") return null;
  const base = { phrase: "", numbers: [], upload: null, invert };
  if (tool === "auto") return { ...base, kind: "auto" };
  if (tool === "phrase") return { ...base, kind: "phrase", phrase: state.phrase.trim() };
  if (tool === "brush") return { ...base, kind: "mask", upload: state.upload };
  return { ...base, kind: tool, numbers: [...(tool === "point" ? state.point : state.box)] };
}

interface Chosen {
  readonly state: RegionState;
  readonly change: (change: Partial<RegionState>) => void;
  /** Look for the region without editing. */
  readonly find: (state?: RegionState) => void;
  readonly lookup: Lookup | null;
  readonly looking: boolean;
  readonly use: () => Promise<Region | null>;
  readonly using: boolean;
}

export function useRegion(node: Node, instruction: string, region: Region | null): Chosen {
  const [state, setState] = useState(() => stateOf(region));
  const [id, setId] = useState<string | null>(null);
  const lookUp = useLookUp(node.id);
  const upload = useUpload();
  const lookup = useLookup(id).data ?? null;
  const size = { width: node.width ?? 1, height: node.height ?? 1 };
  const change = (part: Partial<RegionState>) => {
    if (part.tool !== undefined || part.phrase !== undefined || part.point !== undefined) setId(null);
    setState((old) => ({ ...old, ...part }));
  };
  const find = (of: RegionState = state) => {
    const asked = regionOf(of);
    if (!asked) return;
    setId(null);
    lookUp.mutate(
      { region: { ...asked, invert: false }, instruction },
      { onSuccess: (found) => setId(found.id), onError: tellError },
    );
  };
  const use = async () => {
    if (state.tool !== "brush" || state.strokes.length === 0) return regionOf(state);
    const made = await upload.mutateAsync(await maskOfStrokes(state.strokes, size));
    return regionOf({ ...state, upload: made.id });
  };
  const looking =
    lookUp.isPending ||
    lookup?.state === "waiting" ||
    lookup?.state === "running" ||
    (id !== null && !lookup);
  return { state, change, find, lookup, looking, use, using: upload.isPending };
}
