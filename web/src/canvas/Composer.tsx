/** Say what should change in the selected picture: words, where, references, how many, settings. */
import { ActionIcon, Button, FileButton, Menu, Tooltip } from "@mantine/core";
import {
  IconAdjustmentsHorizontal,
  IconArrowUp,
  IconFocusCentered,
  IconPhotoPlus,
  IconPlayerStop,
} from "@tabler/icons-react";
import { type KeyboardEvent, lazy, type Ref, Suspense, useState } from "react";
import { useBranch } from "../api/changes";
import { freshKey } from "../api/client";
import { useModels } from "../api/queries";
import type { Node } from "../api/types";
import { pictureTypes } from "../start/files";
import { tellError } from "../theme/Notices";
import { afterSending, askOf, changedSettings, isReady, useDraft } from "../tree/draft";
import { nameOf, regionInWords } from "../tree/words";
import classes from "./Composer.module.css";
import { useDesign } from "./design";
import { Thumbnail } from "../tree/Thumbnail";
import { References } from "./References";
import { SettingsFold } from "./SettingsFold";
import { useUploadsLeft } from "./useUploadsLeft";
import type { NodeActions } from "./actions";

const RegionDialog = lazy(() => import("../region/RegionDialog"));
const counts = [1, 2, 3, 4, 6, 8];

function CountMenu({ count, onCount }: { count: number; onCount: (count: number) => void }) {
  const words = (many: number) => (many === 1 ? "1 picture" : `${many} variations`);
  return (
    <Menu position="top-start">
      <Menu.Target>
        <button type="button" className={classes.chip} data-on={count > 1}>
          {words(count)}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {counts.map((many) => (
          <Menu.Item key={many} onClick={() => onCount(many)} aria-current={many === count}>
            {words(many)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function placeholderFor(node: Node): string {
  if (node.state === "failed" || node.state === "cancelled") return "This picture was not made";
  return node.state === "done" ? "What should change?" : "What should change next?";
}

function hintFor(node: Node): string | null {
  if (node.pruned) return "This picture is pruned. Restore it to go on from it.";
  if (node.state === "failed") return node.error;
  if (node.state === "cancelled") return "It was stopped before it was made.";
  return null;
}

interface Props {
  box: Ref<HTMLTextAreaElement>;
  actions: NodeActions;
  suggestions: readonly string[];
  reference: { busy: boolean; add: (files: File[]) => void };
}

export function Composer({ box, actions, suggestions, reference }: Props) {
  const { tree, selected, select, say } = useDesign();
  const [draft, change] = useDraft(selected.id);
  useUploadsLeft(selected.id, draft);
  const [dialog, setDialog] = useState(false);
  const [folded, setFolded] = useState(true);
  const branch = useBranch(tree.project.id);
  const models = useModels();
  const busy = selected.state === "running" || selected.state === "waiting";
  const can = selected.state === "done" && !selected.pruned && !branch.isPending && isReady(draft);
  const hint = hintFor(selected);
  const send = (instruction?: string) => {
    const full = instruction === undefined ? draft : { ...draft, instruction };
    branch.mutate(
      { node: selected.id, ask: askOf(full), key: freshKey() },
      {
        onError: tellError,
        onSuccess: (answer) => {
          const [first] = Array.isArray(answer) ? answer : [answer];
          change(afterSending(full));
          setFolded(true);
          if (first) select(first.id, true);
        },
      },
    );
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      if (can) send();
    }
    if (event.key === "Escape") select(selected.id, true);
  };
  const changed = changedSettings(draft);
  return (
    <section className={classes.composer} aria-label="Ask for an edit">
      {suggestions.length > 0 && selected.state === "done" && draft.instruction === "" && (
        <ul className={classes.suggestions} aria-label="Suggestions">
          {suggestions.map((words) => (
            <li key={words}>
              <button type="button" className={`words ${classes.suggestion}`} onClick={() => send(words)}>
                {words}
              </button>
            </li>
          ))}
        </ul>
      )}
      {!folded && <SettingsFold draft={draft} onChange={change} models={models.data ?? []} />}
      <References draft={draft} onChange={change} models={models.data ?? []} />
      <div className={classes.line}>
        <span className={classes.on}>
          <Thumbnail node={selected} />
        </span>
        <textarea
          ref={box}
          rows={1}
          className={`words ${classes.box}`}
          aria-label={`What should change in “${nameOf(selected)}”?`}
          placeholder={placeholderFor(selected)}
          value={draft.instruction}
          maxLength={10000}
          disabled={selected.state === "failed" || selected.state === "cancelled" || selected.pruned}
          onChange={(event) => change({ instruction: event.currentTarget.value })}
          onKeyDown={press}
        />
        {busy ? (
          <Tooltip label="Stop making this picture">
            <ActionIcon
              size={38}
              variant="default"
              radius="xl"
              aria-label="Stop making this picture"
              onClick={() => actions.verb(selected, "cancel")}
            >
              <IconPlayerStop size={18} />
            </ActionIcon>
          </Tooltip>
        ) : (
          <ActionIcon
            size={38}
            radius="xl"
            aria-label="Make it"
            disabled={!can}
            loading={branch.isPending}
            onClick={() => send()}
          >
            <IconArrowUp size={20} stroke={2.2} />
          </ActionIcon>
        )}
      </div>
      {hint ? (
        <div className={classes.hint}>
          <p>{hint}</p>
          <Button
            size="compact-sm"
            variant="light"
            onClick={() => actions.verb(selected, selected.pruned ? "restore" : "retry")}
          >
            {selected.pruned ? "Restore" : "Try again"}
          </Button>
        </div>
      ) : (
        <div className={classes.chips}>
          <button
            type="button"
            className={classes.chip}
            data-on={draft.region !== null}
            disabled={selected.state !== "done"}
            onClick={() => setDialog(true)}
          >
            <IconFocusCentered size={15} /> {regionInWords(draft.region)}
          </button>
          <FileButton accept={pictureTypes.join(",")} multiple onChange={reference.add}>
            {(button) => (
              <button type="button" className={classes.chip} disabled={reference.busy} {...button}>
                <IconPhotoPlus size={15} /> Reference
              </button>
            )}
          </FileButton>
          <CountMenu count={draft.count} onCount={(count) => change({ count })} />
          <button
            type="button"
            className={classes.chip}
            aria-expanded={!folded}
            data-on={changed > 0}
            onClick={() => setFolded(!folded)}
          >
            <IconAdjustmentsHorizontal size={15} /> {changed > 0 ? `Settings (${changed})` : "Settings"}
          </button>
        </div>
      )}
      {dialog && (
        <Suspense>
          <RegionDialog
            node={selected}
            instruction={draft.instruction}
            region={draft.region}
            how={draft.settings.region ?? {}}
            onClose={() => {
              setDialog(false);
              say();
            }}
            onRegion={(region, how) => change({ region, settings: { ...draft.settings, region: how } })}
          />
        </Suspense>
      )}
    </section>
  );
}
