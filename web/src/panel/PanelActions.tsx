/** What can be done with the selected picture. */
import { Button, Menu } from "@mantine/core";
import {
  IconArrowsDiff,
  IconDownload,
  IconEyeOff,
  IconRefresh,
  IconRestore,
  IconRoute,
} from "@tabler/icons-react";
import { downloadOf } from "../api/addresses";
import type { ReplayAsk } from "../api/types";
import type { NodeActions } from "../canvas/actions";
import { useDesign } from "../canvas/design";
import { askAgain, compareSelected, otherOf, pruneSelected } from "../canvas/deeds";
import { path } from "../tree/family";
import { nameOf } from "../tree/words";
import classes from "./Panel.module.css";

const small = { size: "compact-sm", variant: "default" } as const;

function DownloadMenu({ node }: { node: string }) {
  return (
    <Menu position="bottom-start" width={250}>
      <Menu.Target>
        <Button {...small} leftSection={<IconDownload size={15} />}>
          Download
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component="a" href={downloadOf(node, true)} download>
          With its settings inside
        </Menu.Item>
        <Menu.Item component="a" href={downloadOf(node, false)} download>
          The picture alone
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function ReplayMenu({ actions }: { actions: NodeActions }) {
  const design = useDesign();
  const { all, selected, select } = design;
  const marked = otherOf(design);
  const steps = path(all, selected.id).length - 1;
  const other = marked ? all.nodes.get(marked) : undefined;
  const replay = (ask: ReplayAsk) =>
    actions.replay(selected, ask, (nodes) => {
      const last = nodes.at(-1);
      if (last) select(last.id, true);
    });
  if (steps < 1) return null;
  return (
    <Menu position="bottom-start" width={270}>
      <Menu.Target>
        <Button {...small} leftSection={<IconRoute size={15} />}>
          Replay
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {steps === 1 ? "The step to this picture" : `The ${steps} steps to this picture`}
        </Menu.Label>
        <Menu.Item onClick={() => replay({ onto: null, how: "merged" })}>
          In one edit of the first picture
        </Menu.Item>
        <Menu.Item onClick={() => replay({ onto: null, how: "step-by-step" })}>
          Step by step from the first picture
        </Menu.Item>
        {other ? (
          <Menu.Item onClick={() => replay({ onto: other.id, how: "step-by-step" })}>
            Step by step on “{nameOf(other)}”
          </Menu.Item>
        ) : (
          <Menu.Item disabled>On another picture: mark it with M or Shift-click first</Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

export function PanelActions({ actions }: { actions: NodeActions }) {
  const design = useDesign();
  const { selected } = design;
  const failed = selected.state === "failed" || selected.state === "cancelled";
  return (
    <div className={classes.actions}>
      {failed && (
        <Button
          size="compact-sm"
          leftSection={<IconRefresh size={15} />}
          onClick={() => actions.verb(selected, "retry")}
        >
          Try again
        </Button>
      )}
      {selected.state === "waiting" && selected.place !== null && selected.place > 1 && (
        <Button {...small} onClick={() => actions.verb(selected, "move?to=front")}>
          Make it next
        </Button>
      )}
      {selected.request && (
        <Button {...small} leftSection={<IconRefresh size={15} />} onClick={() => askAgain(design)}>
          Again with …
        </Button>
      )}
      {selected.state === "done" && selected.parent_id && (
        <Button {...small} leftSection={<IconArrowsDiff size={15} />} onClick={() => compareSelected(design)}>
          {otherOf(design) ? "Compare the two" : "Compare"}
        </Button>
      )}
      {selected.state === "done" && <DownloadMenu node={selected.id} />}
      {selected.state === "done" && <ReplayMenu actions={actions} />}
      {selected.parent_id &&
        (selected.pruned ? (
          <Button
            {...small}
            leftSection={<IconRestore size={15} />}
            onClick={() => actions.verb(selected, "restore")}
          >
            Restore
          </Button>
        ) : (
          <Button
            {...small}
            leftSection={<IconEyeOff size={15} />}
            onClick={() => pruneSelected(design, actions)}
          >
            Prune
          </Button>
        ))}
    </div>
  );
}
