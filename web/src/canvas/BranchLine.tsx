/** The line from a picture to one made of it. */
import { type EdgeProps, getSmoothStepPath } from "@xyflow/react";
import { memo } from "react";
import classes from "./TreeCanvas.module.css";
import type { BranchEdge } from "./flow";

export const BranchLine = memo(function BranchLine(edge: EdgeProps<BranchEdge>) {
  const { sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition, data } = edge;
  const [line] = getSmoothStepPath({
    sourceX,
    sourceY,
    targetX,
    targetY: targetY + 8,
    sourcePosition,
    targetPosition,
    borderRadius: 14,
    centerY: sourceY + 28,
  });
  return <path d={line} className={classes.line} data-active={data?.active} />;
});
