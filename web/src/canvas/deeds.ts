/** What both the keys and the panel do with the selected node. */
import { tell } from "../theme/Notices";
import { draftOf, setDraft } from "../tree/draft";
import type { NodeActions } from "./actions";
import type { Design } from "./design";

/** Compare the selected node with the marked one, else with its parent. */
export function compareSelected({ selected, marked, compare }: Design): void {
  const other = marked ?? selected.parent_id;
  if (!other) return tell("Pick a second picture with Shift-click, then press C.");
  if (selected.state !== "done") return tell("This picture is not made yet; compare it once it is there.");
  compare(other, selected.id);
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
