/** What both the keys and the panel do with the selected node. */
import { downloadOf } from "../api/addresses";
import { tell } from "../theme/Notices";
import { draftOf, setDraft } from "../tree/draft";
import type { NodeActions } from "./actions";
import type { Design } from "./design";

/** The marked node, where it is another than the selected one. */
export const otherOf = ({ selected, marked }: Design): string | null =>
  marked === selected.id ? null : marked;

/** Compare the selected node with the marked one, else with its parent. */
export function compareSelected(design: Design): void {
  const { selected, compare } = design;
  const other = otherOf(design) ?? selected.parent_id;
  if (!other) return tell("Mark another picture with M or Shift-click first, then press C.");
  if (selected.state !== "done") return tell("This picture is not made yet; compare it once it is there.");
  compare(other, selected.id);
}

/** Mark the selected node, or take the mark away, to compare it with the one that is selected next. */
export function markSelected({ selected, marked, mark }: Design): void {
  if (marked === selected.id) return mark(null);
  mark(selected.id);
  tell("Marked. Go to another picture with the arrow keys and press C to compare the two.");
}

/** Save the selected node's picture, with its settings inside. */
export function downloadSelected({ selected }: Design): void {
  if (selected.state !== "done") return tell("This picture is not made yet; download it once it is there.");
  const link = document.createElement("a");
  link.href = downloadOf(selected.id, true);
  link.download = "";
  link.click();
}

/** Put the request of a node into the composer of its parent, to be changed and asked again. */
export function askAgain({ selected, select, say }: Design, sameSeed = false): void {
  if (!selected.request || !selected.parent_id)
    return tell("The first picture was not asked for; say what should change.");
  setDraft(selected.parent_id, draftOf(selected.request, sameSeed));
  select(selected.parent_id);
  say();
}

/** Hide the selected node and what is below it, and go on from its parent. */
export function pruneSelected({ selected, select }: Design, actions: NodeActions): void {
  if (selected.pruned) return;
  actions.prune(selected);
  if (selected.parent_id) select(selected.parent_id, true);
}
