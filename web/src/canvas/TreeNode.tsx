/** A picture on the canvas: what was asked, the picture or how far it is, its star. */
import { IconAlertTriangle, IconPlayerStop, IconPlus, IconStarFilled } from "@tabler/icons-react";
import type { NodeProps } from "@xyflow/react";
import { memo, type ReactNode, useEffect, useRef } from "react";
import { pictureOf } from "../api/addresses";
import { usePreview } from "../api/previews";
import { useQueue } from "../api/queries";
import type { Node } from "../api/types";
import { askedOf, makingInWords, spoken } from "../tree/words";
import type { PictureNode } from "./flow";
import { focusWanted } from "./focus";
import classes from "./TreeNode.module.css";

/** Not a step is done yet: what is waited for. */
function Preparing({ node }: { node: Node }) {
  return <Note words={makingInWords(node, useQueue(true).data).words} />;
}

function Running({ node }: { node: Node }) {
  const preview = usePreview(node.id);
  return (
    <>
      {preview ? (
        <img src={preview} alt="" className={classes.preview} />
      ) : (
        <span className={classes.blank} />
      )}
      {node.progress ? (
        <progress className={classes.progress} value={node.progress.done} max={node.progress.total} />
      ) : (
        <Preparing node={node} />
      )}
    </>
  );
}

/** A few words in place of a picture; drawn by the style sheet, as the item's name says them already. */
function Note({ words, bad, children }: { words: string; bad?: boolean; children?: ReactNode }) {
  return (
    <span className={classes.note} data-words={words} data-bad={bad}>
      {children}
    </span>
  );
}

function Picture({ node }: { node: Node }) {
  switch (node.state) {
    case "done":
      return (
        <img src={pictureOf(node.id, "thumbnail")} alt="" loading="lazy" decoding="async" draggable={false} />
      );
    case "running":
      return <Running node={node} />;
    case "waiting":
      return <Preparing node={node} />;
    case "failed":
      return (
        <Note words="Failed" bad>
          <IconAlertTriangle size={20} stroke={1.6} />
        </Note>
      );
    case "cancelled":
      return (
        <Note words="Stopped">
          <IconPlayerStop size={20} stroke={1.6} />
        </Note>
      );
  }
}

function caption(node: Node, variation: number): string {
  if (node.label) return node.label;
  return variation > 1 ? `Variation ${variation}` : askedOf(node);
}

export const TreeNode = memo(function TreeNode({ data, selected }: NodeProps<PictureNode>) {
  const { node, children, level, variation, pictureHeight, marked } = data;
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (selected && focusWanted(node.id)) element.current?.focus({ preventScroll: true });
  }, [selected, node.id]);
  const words = caption(node, variation);
  const own = variation <= 1 && node.request !== null;
  return (
    <div
      ref={element}
      className={classes.node}
      role="treeitem"
      aria-level={level}
      aria-selected={selected}
      aria-label={spoken(node, children, words)}
      tabIndex={selected ? 0 : -1}
      data-selected={selected}
      data-marked={marked}
      data-pruned={node.pruned}
    >
      <p className={classes.caption} title={askedOf(node)}>
        <span className={own ? `words ${classes.asked}` : classes.plain}>{words}</span>
      </p>
      <div className={classes.picture} style={{ height: pictureHeight }} aria-hidden="true">
        <Picture node={node} />
        {node.starred && (
          <span className={classes.star}>
            <IconStarFilled size={14} />
          </span>
        )}
        {marked && <span className={classes.flag} data-words="to compare" />}
      </div>
      {node.state === "done" && (
        <span className={classes.add} data-add aria-hidden="true">
          <IconPlus size={14} stroke={2.2} />
        </span>
      )}
    </div>
  );
});
