/** The bar of a design: its title, undo and redo, the queue, what is pruned. */
import { ActionIcon, Button, Menu, Tooltip } from "@mantine/core";
import {
  IconArrowBackUp,
  IconArrowForwardUp,
  IconLayoutSidebarRight,
  IconPlayerPause,
  IconPlayerPlay,
} from "@tabler/icons-react";
import { useRename, usePauseQueue } from "../api/changes";
import type { Connection } from "../api/events";
import { useQueue } from "../api/queries";
import { Bar } from "../theme/Bar";
import { Renamable } from "../theme/Renamable";
import { tellError } from "../theme/Notices";
import { useDesign } from "./design";
import type { NodeActions } from "./actions";
import classes from "./DesignBar.module.css";

/** What the queue does, as a sentence of a few words; null where it rests. */
function queueWords(waiting: number, running: number, paused: boolean): string | null {
  if (paused) return waiting > 0 ? `Paused, ${waiting} waiting` : "Paused";
  if (running === 0 && waiting === 0) return null;
  if (running === 0) return `${waiting} waiting`;
  return waiting > 0 ? `${running} in work, ${waiting} waiting` : `${running} in work`;
}

function QueueMenu({ busy }: { busy: boolean }) {
  const queue = useQueue(busy);
  const pause = usePauseQueue();
  if (!queue.data) return null;
  const { waiting, running, paused, workers } = queue.data;
  if (workers === 0 && (waiting > 0 || busy))
    return (
      <Tooltip label="Start one with: retouch serve --workers 1" openDelay={0}>
        <span className={classes.warn} role="status" tabIndex={0}>
          No worker runs; edits wait
        </span>
      </Tooltip>
    );
  const words = queueWords(waiting, running, paused);
  if (!words) return null;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="subtle" color="gray" size="compact-sm" className={classes.queue}>
          <span className={classes.dot} data-paused={paused} />
          <span className={classes.long}>{words}</span>
          <span className={classes.short}>{paused ? "Paused" : `${running + waiting} left`}</span>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          leftSection={paused ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />}
          onClick={() => pause.mutate(!paused, { onError: tellError })}
        >
          {paused ? "Go on" : "Pause after what is in work"}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

interface Props {
  connection: Connection;
  actions: NodeActions;
  showPruned: boolean;
  onShowPruned: (show: boolean) => void;
  detailsOpen: boolean;
  onDetails: () => void;
  onKeys: () => void;
}

export function DesignBar({
  connection,
  actions,
  showPruned,
  onShowPruned,
  detailsOpen,
  onDetails,
  onKeys,
}: Props) {
  const { tree } = useDesign();
  const rename = useRename();
  const pruned = tree.nodes.filter((node) => node.pruned).length;
  const busy = tree.nodes.some((node) => node.state === "waiting" || node.state === "running");
  const undoLabel = tree.can_undo ? `Undo: ${tree.can_undo} (Z)` : "Nothing to undo";
  const redoLabel = tree.can_redo ? `Redo: ${tree.can_redo} (Shift Z)` : "Nothing to redo";
  return (
    <Bar onKeys={onKeys}>
      <div className={classes.title}>
        <Renamable
          label="Title of the design"
          value={tree.project.title}
          placeholder="Untitled"
          onValue={(title) =>
            title && rename.mutate({ project: tree.project.id, title }, { onError: tellError })
          }
        />
      </div>
      {connection === "lost" && (
        <span className={classes.warn} role="status">
          Reconnecting …
        </span>
      )}
      <span className={classes.space} />
      <QueueMenu busy={busy} />
      {pruned > 0 && (
        <Button
          className={classes.pruned}
          variant="subtle"
          color="gray"
          size="compact-sm"
          aria-pressed={showPruned}
          onClick={() => onShowPruned(!showPruned)}
        >
          {showPruned ? "Hide pruned" : `Show pruned (${pruned})`}
        </Button>
      )}
      <Tooltip label={undoLabel}>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={undoLabel}
          onClick={() => actions.undo("back")}
          className={classes.step}
          aria-disabled={!tree.can_undo}
        >
          <IconArrowBackUp size={18} />
        </ActionIcon>
      </Tooltip>
      <Tooltip label={redoLabel}>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={redoLabel}
          onClick={() => actions.undo("forth")}
          className={classes.step}
          aria-disabled={!tree.can_redo}
        >
          <IconArrowForwardUp size={18} />
        </ActionIcon>
      </Tooltip>
      <Tooltip label="Details (Space)">
        <ActionIcon
          variant={detailsOpen ? "light" : "subtle"}
          color="gray"
          aria-label="Details"
          aria-pressed={detailsOpen}
          onClick={onDetails}
        >
          <IconLayoutSidebarRight size={18} />
        </ActionIcon>
      </Tooltip>
    </Bar>
  );
}
