/** Choose where an edit acts, and see it before the edit. */
import { Button, Modal, Switch } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import {
  IconBrush,
  IconFocusCentered,
  IconKeyboard,
  IconPhoto,
  IconPointer,
  IconRectangle,
  IconTextRecognition,
} from "@tabler/icons-react";
import { useId, useRef, useState } from "react";
import type { Lookup, Node, Region, RegionHow } from "../api/types";
import { tellError } from "../theme/Notices";
import { howOf } from "../tree/draft";
import { foundInWords } from "../tree/words";
import classes from "./RegionDialog.module.css";
import { RegionEdge } from "./RegionEdge";
import { isShown, RegionStage } from "./RegionStage";
import { RegionTools } from "./RegionTools";
import { canDraw } from "./useDrawing";
import { missing, type Tool, useRegion } from "./useRegion";

const tools: readonly { tool: Tool; name: string; icon: typeof IconPhoto }[] = [
  { tool: "whole", name: "Whole picture", icon: IconPhoto },
  { tool: "auto", name: "Where the words say", icon: IconFocusCentered },
  { tool: "phrase", name: "Find by name", icon: IconTextRecognition },
  { tool: "point", name: "Click", icon: IconPointer },
  { tool: "box", name: "Box", icon: IconRectangle },
  { tool: "brush", name: "Brush", icon: IconBrush },
];

function drawingKeys(tool: Tool): string {
  const moves = "Arrow keys move the crosshair, with Shift further.";
  if (tool === "point") return `${moves} Space chooses what is there.`;
  if (tool === "box") return `${moves} Space sets one corner, then the other.`;
  return `${moves} Space puts the brush down and lifts it; [ and ] make it thinner and wider; E turns to the eraser; Backspace takes the last stroke back.`;
}

function Found({ lookup, looking, invert }: { lookup: Lookup | null; looking: boolean; invert: boolean }) {
  if (looking) return <p className={classes.quiet}>Looking …</p>;
  if (!lookup) return null;
  if (lookup.state === "failed" || lookup.state === "cancelled")
    return <p className={classes.bad}>{lookup.error ?? "The search was stopped; try again."}</p>;
  const share = lookup.share === null ? null : Math.round(100 * (invert ? 1 - lookup.share : lookup.share));
  return (
    <p>
      Found: {foundInWords(lookup.found)}
      {share !== null && `, ${share < 1 ? "under 1" : share}% of the picture`}.
    </p>
  );
}

interface Props {
  node: Node;
  instruction: string;
  region: Region | null;
  how: RegionHow;
  onClose: () => void;
  onRegion: (region: Region | null, how: RegionHow | null) => void;
}

export default function RegionDialog({ node, instruction, region, how, onClose, onRegion }: Props) {
  const chosen = useRegion(node, instruction, region);
  const { state, change, find, lookup, looking } = chosen;
  const stage = useRef<HTMLDivElement>(null);
  const keysId = useId();
  const [brush, setBrush] = useState({
    width: Math.max(8, Math.round((node.width ?? 256) / 14)),
    erase: false,
  });
  const [edge, setEdge] = useState(how);
  const narrow = useMediaQuery("(max-width: 720px)", false, { getInitialValueInEffect: false });
  const lack = missing(state, { width: node.width ?? 1, height: node.height ?? 1 }, instruction);
  const use = () =>
    chosen.use().then((made) => {
      onRegion(made, made && howOf(edge));
      onClose();
    }, tellError);
  return (
    <Modal
      opened
      onClose={onClose}
      title="Where should it change?"
      size="min(1040px, 94vw)"
      fullScreen={narrow}
    >
      <div className={classes.parts}>
        <div>
          <RegionStage
            node={node}
            state={state}
            lookup={lookup}
            brush={brush}
            edge={edge}
            stage={stage}
            keysId={keysId}
            onBrush={setBrush}
            onChange={change}
            onPoint={(point) => {
              change({ point });
              find({ ...state, point });
            }}
          />
          {canDraw(state) && (
            <div className={classes.keys}>
              <Button
                size="compact-sm"
                variant="default"
                leftSection={<IconKeyboard size={16} stroke={1.6} />}
                onClick={() => stage.current?.focus({ focusVisible: true } as FocusOptions)}
              >
                Draw with the keys
              </Button>
              <p id={keysId} className={classes.quiet}>
                {drawingKeys(state.tool)}
              </p>
            </div>
          )}
        </div>
        <div className={classes.side}>
          <div role="radiogroup" aria-label="How the region is chosen" className={classes.tools}>
            {tools.map(({ tool, name, icon: Icon }) => (
              <label key={tool} className={classes.tool} data-on={state.tool === tool}>
                <input
                  type="radio"
                  name="tool"
                  checked={state.tool === tool}
                  onChange={() => change({ tool })}
                />
                <Icon size={18} stroke={1.6} />
                {name}
              </label>
            ))}
          </div>
          <RegionTools
            node={node}
            state={state}
            instruction={instruction}
            looking={looking}
            brush={brush}
            onBrush={setBrush}
            onChange={change}
            onFind={() => find()}
          />
          <div role="status">
            <Found lookup={lookup} looking={looking} invert={state.invert} />
          </div>
          {state.tool !== "whole" && (
            <Switch
              label="Everywhere but there"
              checked={state.invert}
              onChange={(event) => change({ invert: event.currentTarget.checked })}
            />
          )}
          {state.tool !== "whole" && (
            <RegionEdge node={node} how={edge} shown={isShown(state, lookup)} onHow={setEdge} />
          )}
          <div className={classes.foot}>
            {lack && <p className={classes.quiet}>{lack}</p>}
            <Button disabled={lack !== null} loading={chosen.using} onClick={() => void use()}>
              Use this
            </Button>
          </div>
        </div>
      </div>
    </Modal>
  );
}
