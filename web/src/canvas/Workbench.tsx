/** Bar, canvas, composer and panel side by side, and the keys that work on them. */
import { Drawer } from "@mantine/core";
import { useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { useReactFlow } from "@xyflow/react";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import type { Connection } from "../api/events";
import type { Action } from "../keys/keymap";
import { KeysDialog } from "../keys/KeysDialog";
import { useKeys } from "../keys/useKeys";
import { Panel } from "../panel/Panel";
import type { Route } from "../routes";
import { useFiles } from "../start/files";
import { suggestionsFor } from "../start/suggestions";
import { neighbour } from "../tree/family";
import { type NodeActions, useNodeActions } from "./actions";
import { Composer } from "./Composer";
import { askAgain, compareSelected, downloadSelected, markSelected, pruneSelected } from "./deeds";
import { type Design, useDesign } from "./design";
import { DesignBar } from "./DesignBar";
import { useReferences } from "./References";
import { wholeTree } from "./reveal";
import { TreeCanvas } from "./TreeCanvas";
import classes from "./Workbench.module.css";

const CompareView = lazy(() => import("../compare/CompareView"));

interface Hands {
  readonly design: Design;
  readonly actions: NodeActions;
  readonly visited: ReadonlyMap<string, string>;
  readonly zoom: (how: "in" | "out" | "all") => void;
  readonly toggleDetails: () => void;
  readonly showKeys: () => void;
}

function act(action: Action, hands: Hands): void {
  const { design, actions } = hands;
  const { selected } = design;
  switch (action) {
    case "up":
    case "down":
    case "left":
    case "right": {
      const next = neighbour(design.shown, selected.id, action, hands.visited);
      return next ? design.select(next, true, true) : undefined;
    }
    case "branch":
      return design.say();
    case "again":
      return askAgain(design);
    case "details":
      return hands.toggleDetails();
    case "compare":
      return compareSelected(design);
    case "mark":
      return markSelected(design);
    case "download":
      return downloadSelected(design);
    case "star":
      return actions.star(selected);
    case "prune":
      return pruneSelected(design, actions);
    case "restore":
      if (selected.pruned) return actions.verb(selected, "restore");
      return selected.state === "failed" || selected.state === "cancelled"
        ? actions.verb(selected, "retry")
        : undefined;
    case "undo":
      return actions.undo("back");
    case "redo":
      return actions.undo("forth");
    case "fit":
      return hands.zoom("all");
    case "zoom-in":
      return hands.zoom("in");
    case "zoom-out":
      return hands.zoom("out");
    case "keys":
      return hands.showKeys();
  }
}

function useVisited({ selected }: Design): ReadonlyMap<string, string> {
  const [visited] = useState(() => new Map<string, string>());
  useEffect(() => {
    if (selected.parent_id) visited.set(selected.parent_id, selected.id);
  }, [visited, selected.id, selected.parent_id]);
  return visited;
}

interface Props {
  route: Extract<Route, { kind: "project" }>;
  connection: Connection;
  showPruned: boolean;
  onShowPruned: (show: boolean) => void;
  onBox: (box: HTMLTextAreaElement | null) => void;
}

export function Workbench({ route, connection, showPruned, onShowPruned, onBox }: Props) {
  const design = useDesign();
  const actions = useNodeActions(design.tree.project.id);
  const flow = useReactFlow();
  const wide = useMediaQuery("(min-width: 900px)", true, { getInitialValueInEffect: false });
  const [open, setOpen] = useLocalStorage({
    key: "retouch-details",
    defaultValue: true,
    getInitialValueInEffect: false,
  });
  const [sheet, setSheet] = useState(false);
  const [keys, setKeys] = useState(false);
  const visited = useVisited(design);
  const [suggestions] = useState(() => suggestionsFor(design.tree.project.id));
  const reference = useReferences(design.selected.id);
  const over = useFiles((files) => (design.selected.state === "done" ? reference.add(files) : undefined));
  const toggleDetails = () => (wide ? setOpen(!open) : setSheet(!sheet));
  const zoom = (how: "in" | "out" | "all") =>
    how === "all"
      ? void flow.fitView(wholeTree)
      : void (how === "in" ? flow.zoomIn({ duration: 150 }) : flow.zoomOut({ duration: 150 }));
  useKeys(
    (action) => act(action, { design, actions, visited, zoom, toggleDetails, showKeys: () => setKeys(true) }),
    route.compare === null,
  );
  const panel = useMemo(
    () => <Panel actions={actions} onClose={() => (wide ? setOpen(false) : setSheet(false))} />,
    [actions, wide, setOpen],
  );
  return (
    <div className={classes.page}>
      <DesignBar
        connection={connection}
        actions={actions}
        showPruned={showPruned}
        onShowPruned={onShowPruned}
        detailsOpen={wide ? open : sheet}
        onDetails={toggleDetails}
        onKeys={() => setKeys(true)}
      />
      <div className={classes.body}>
        <main className={classes.stage}>
          <h1 className={classes.unseen}>{design.tree.project.title}</h1>
          <TreeCanvas onDetails={() => (wide ? setOpen(true) : setSheet(true))} />
          <Composer
            box={onBox}
            actions={actions}
            suggestions={design.tree.nodes.length === 1 ? suggestions : []}
            reference={reference}
          />
          {over && <div className={classes.over}>Drop as a reference for the next edit</div>}
        </main>
        {wide && open && (
          <aside className={classes.side} aria-label="Details of the picture">
            {panel}
          </aside>
        )}
      </div>
      {!wide && (
        <Drawer
          opened={sheet}
          onClose={() => setSheet(false)}
          position="bottom"
          size="92%"
          withCloseButton={false}
          padding={0}
          title={null}
          attributes={{ content: { "aria-label": "Details of the picture" } }}
        >
          {panel}
        </Drawer>
      )}
      <KeysDialog opened={keys} onClose={() => setKeys(false)} />
      {route.compare && (
        <Suspense>
          <CompareView {...route.compare} onClose={() => design.select(design.selected.id, true)} />
        </Suspense>
      )}
    </div>
  );
}
