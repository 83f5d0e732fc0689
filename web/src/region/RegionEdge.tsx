/** How far the region grows or shrinks and how soft its edge is, folded away until asked for or set. */
import { Button } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { useState } from "react";
import type { Node, RegionHow } from "../api/types";
import { type Dial, DialField } from "../theme/DialField";
import { howOf } from "../tree/draft";
import classes from "./RegionDialog.module.css";

interface Props {
  node: Node;
  how: RegionHow;
  /** Whether there is a region in the picture yet whose edge can be seen. */
  shown: boolean;
  onHow: (how: RegionHow) => void;
}

/** Pixels that a slider reaches: a tenth of the picture, and whatever is set already. */
function reachOf(node: Node, set: number | null | undefined): number {
  return Math.max(8, Math.round(Math.min(node.width ?? 256, node.height ?? 256) / 10), Math.abs(set ?? 0));
}

const pixels = (value: number) => (Math.abs(value) === 1 ? `${value} pixel` : `${value} pixels`);
const grown = (value: number) => (value > 0 ? `+${pixels(value)}` : pixels(value));

export function RegionEdge({ node, how, shown, onHow }: Props) {
  const [open, setOpen] = useState(howOf(how) !== null);
  const [reach] = useState({ grow: reachOf(node, how.grow), feather: reachOf(node, how.feather) });
  const grow: Dial = { name: "Grow or shrink", min: -reach.grow, max: reach.grow, step: 1 };
  const feather: Dial = { name: "Soft edge", min: 0, max: reach.feather, step: 1 };
  return (
    <div className={classes.find}>
      <button type="button" className={classes.fold} aria-expanded={open} onClick={() => setOpen(!open)}>
        <IconChevronRight size={16} stroke={1.8} /> Its edge
        {!open && howOf(how) !== null && <span className={classes.quiet}>changed</span>}
      </button>
      {open && (
        <>
          <DialField
            dial={grow}
            value={how.grow ?? null}
            own={0}
            rest={0}
            inWords={grown}
            onValue={(value) => onHow({ ...how, grow: value })}
          />
          <DialField
            dial={feather}
            value={how.feather ?? null}
            own={null}
            rest={0}
            inWords={pixels}
            onValue={(value) => onHow({ ...how, feather: value })}
          />
          <p className={classes.quiet}>
            {shown
              ? "The picture shows the edge as it will be: outside stays untouched, the soft edge lies inside."
              : "The edge is shown in the picture once the region is."}
          </p>
          <Button
            size="compact-sm"
            variant="default"
            disabled={howOf(how) === null}
            onClick={() => onHow({})}
          >
            Back to the model's own
          </Button>
        </>
      )}
    </div>
  );
}
