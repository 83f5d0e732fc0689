/** Closer, farther, all of it: the canvas' three buttons. */
import { ActionIcon, Tooltip } from "@mantine/core";
import { IconArrowsMaximize, IconMinus, IconPlus } from "@tabler/icons-react";
import { useReactFlow } from "@xyflow/react";
import type { ReactNode } from "react";
import { wholeTree } from "./reveal";
import classes from "./TreeCanvas.module.css";

function Control({ label, onClick, children }: { label: string; onClick: () => void; children: ReactNode }) {
  return (
    <Tooltip label={label} position="right">
      <ActionIcon variant="default" aria-label={label} onClick={onClick} size={32}>
        {children}
      </ActionIcon>
    </Tooltip>
  );
}

export function CanvasControls() {
  const flow = useReactFlow();
  return (
    <div className={classes.controls}>
      <Control label="Closer (+)" onClick={() => void flow.zoomIn({ duration: 150 })}>
        <IconPlus size={16} />
      </Control>
      <Control label="Farther (−)" onClick={() => void flow.zoomOut({ duration: 150 })}>
        <IconMinus size={16} />
      </Control>
      <Control label="The whole tree (F)" onClick={() => void flow.fitView(wholeTree)}>
        <IconArrowsMaximize size={16} />
      </Control>
    </div>
  );
}
