/** The picture, large: hold it to see the one before, show where the edit acted. */
import { useMemo, useState } from "react";
import { maskOf, pictureOf } from "../api/addresses";
import { usePreview } from "../api/previews";
import { useQueue } from "../api/queries";
import { useDesign } from "../canvas/design";
import { MaskOverlay } from "../region/MaskOverlay";
import { makingInWords } from "../tree/words";
import classes from "./Panel.module.css";

function Making() {
  const { selected } = useDesign();
  const preview = usePreview(selected.id);
  const { words, why } = makingInWords(selected, useQueue(true).data);
  const { progress, parent_id: parent } = selected;
  return (
    <figure className={classes.picture}>
      {preview && <img src={preview} alt="" />}
      {!preview && parent && <img src={pictureOf(parent, "screen")} alt="" className={classes.coming} />}
      <div className={classes.making} role="status">
        <span>{words}</span>
        {selected.state === "running" && progress && (
          <progress value={progress.done} max={progress.total} aria-label="Steps done" />
        )}
        {why && !preview && <span className={classes.why}>{why}</span>}
      </div>
    </figure>
  );
}

export function LargePicture() {
  const { selected, all } = useDesign();
  const [before, setBefore] = useState(false);
  const [where, setWhere] = useState(false);
  const parent = selected.parent_id ? all.nodes.get(selected.parent_id) : undefined;
  const mask = useMemo(() => ({ kind: "picture", address: maskOf(selected.id) }) as const, [selected.id]);
  if (selected.state === "waiting" || selected.state === "running") return <Making />;
  if (selected.state !== "done") return null;
  const shown = before && parent ? parent.id : selected.id;
  const region = selected.request?.region;
  const limited = region && region.kind !== "whole";
  return (
    <figure
      className={classes.picture}
      style={{ aspectRatio: `${selected.width ?? 1} / ${selected.height ?? 1}` }}
    >
      <img src={pictureOf(shown, "screen")} alt={before ? "The picture before" : "The selected picture"} />
      {parent?.state === "done" && <link rel="prefetch" href={pictureOf(parent.id, "screen")} />}
      {where && !before && <MaskOverlay mask={mask} className={classes.layer} />}
      <div className={classes.over}>
        {parent && (
          <button
            type="button"
            aria-pressed={before}
            onPointerDown={() => setBefore(true)}
            onPointerUp={() => setBefore(false)}
            onPointerLeave={() => setBefore(false)}
            onPointerCancel={() => setBefore(false)}
            onKeyDown={(event) => (event.key === " " || event.key === "Enter") && setBefore(true)}
            onKeyUp={() => setBefore(false)}
            onBlur={() => setBefore(false)}
            onContextMenu={(event) => event.preventDefault()}
          >
            {before ? "Before" : "Hold to see before"}
          </button>
        )}
        {limited && (
          <button type="button" aria-pressed={where} onClick={() => setWhere(!where)}>
            {where ? "Hide where" : "Show where"}
          </button>
        )}
      </div>
    </figure>
  );
}
