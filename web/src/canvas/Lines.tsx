/** The tree's lines under its pictures, those on the way to the selected one marked. */
import { ViewportPortal } from "@xyflow/react";
import { memo, useMemo } from "react";
import { path } from "../tree/family";
import type { Place } from "../tree/layout";
import { lines } from "../tree/lines";
import { useDesign } from "./design";
import classes from "./TreeCanvas.module.css";

interface Props {
  places: ReadonlyMap<string, Place>;
  pictureHeight: number;
}

export const Lines = memo(function Lines({ places, pictureHeight }: Props) {
  const { shown, selected } = useDesign();
  // The places change exactly when ids or parents do, and the lines follow from them.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const all = useMemo(() => lines(shown, places, pictureHeight), [places, pictureHeight]);
  const active = useMemo(() => {
    const way = new Set(path(shown, selected.id).map(({ id }) => id));
    return lines(shown, places, pictureHeight, (child) => way.has(child));
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [places, pictureHeight, selected.id]);
  return (
    <ViewportPortal>
      <svg className={classes.lines} width="1" height="1" aria-hidden="true">
        <path d={all} className={classes.line} />
        <path d={active} className={classes.line} data-active="true" />
      </svg>
    </ViewportPortal>
  );
});
