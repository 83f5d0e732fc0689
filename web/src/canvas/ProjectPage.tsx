/** The page of one design: its tree, the composer, the panel of the selected picture. */
import { ReactFlowProvider } from "@xyflow/react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Button } from "@mantine/core";
import { useEvents } from "../api/events";
import { useTree } from "../api/queries";
import type { Tree } from "../api/types";
import { go, type Route } from "../routes";
import { Bar } from "../theme/Bar";
import { FailedPage, Loading } from "../theme/Notices";
import { familyOf, survivor, visible } from "../tree/family";
import { type Design, DesignContext } from "./design";
import { wantFocus } from "./focus";
import { Workbench } from "./Workbench";

type ProjectRoute = Extract<Route, { kind: "project" }>;

const allDesigns = (
  <Button component="a" href="#/" variant="default">
    All designs
  </Button>
);

function useDesignOf(tree: Tree, route: ProjectRoute, showPruned: boolean, say: () => void): Design {
  const [marked, mark] = useState<string | null>(null);
  const all = useMemo(() => familyOf(tree.nodes, tree.project.root_id), [tree.nodes, tree.project.root_id]);
  const shown = useMemo(() => visible(all, showPruned), [all, showPruned]);
  const id = survivor(all, shown, route.node ?? tree.project.root_id);
  const { project } = route;
  const select = useCallback(
    (node: string, focus = false, keepMark = false) => {
      if (focus) wantFocus(node);
      if (!keepMark) mark(null);
      go({ kind: "project", project, node, compare: null }, true);
    },
    [project],
  );
  const compare = useCallback(
    (left: string, right: string) =>
      go({ kind: "project", project, node: right, compare: { left, right, view: "slider" } }),
    [project],
  );
  return useMemo(() => {
    const selected = all.nodes.get(id) ?? tree.nodes[0];
    if (!selected) throw new Error("The design has no pictures; import it again.");
    return { tree, all, shown, selected, marked, select, mark, compare, say };
  }, [tree, all, shown, id, marked, select, compare, say]);
}

function Opened({ tree, route }: { tree: Tree; route: ProjectRoute }) {
  const [showPruned, setShowPruned] = useState(false);
  const connection = useEvents(tree.project.id, true);
  const [box, setBox] = useState<HTMLTextAreaElement | null>(null);
  const say = useCallback(() => window.setTimeout(() => box?.focus(), 0), [box]);
  const design = useDesignOf(tree, route, showPruned, say);
  useEffect(() => {
    document.title = `${tree.project.title} · Retouch`;
  }, [tree.project.title]);
  const [first] = useState(design.selected.id);
  useEffect(() => {
    // What had the focus went with the page before: the keys go on from the picture.
    if (document.activeElement === document.body) wantFocus(first);
  }, [first]);
  return (
    <DesignContext value={design}>
      <ReactFlowProvider>
        <Workbench
          route={route}
          connection={connection}
          showPruned={showPruned}
          onShowPruned={setShowPruned}
          onBox={setBox}
        />
      </ReactFlowProvider>
    </DesignContext>
  );
}

export default function ProjectPage({ route }: { route: ProjectRoute }) {
  const tree = useTree(route.project);
  if (tree.data) return <Opened tree={tree.data} route={route} />;
  return (
    <>
      <Bar />
      {tree.error ? (
        <FailedPage error={tree.error} retry={() => void tree.refetch()} action={allDesigns} />
      ) : (
        <Loading what="Reading the design" />
      )}
    </>
  );
}
