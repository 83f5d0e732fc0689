/** The controls of each way to choose a region. */
import { Button, NumberInput, SegmentedControl, Slider, TextInput } from "@mantine/core";
import type { Node } from "../api/types";
import classes from "./RegionDialog.module.css";
import { widestBrush } from "./crosshair";
import type { Brush } from "./useDrawing";
import type { RegionState } from "./useRegion";

interface Props {
  node: Node;
  state: RegionState;
  instruction: string;
  looking: boolean;
  brush: Brush;
  onBrush: (brush: Brush) => void;
  onChange: (change: Partial<RegionState>) => void;
  onFind: () => void;
}

function Numbers({
  names,
  values,
  most,
  onValues,
}: {
  names: readonly string[];
  values: readonly number[];
  most: readonly number[];
  onValues: (values: number[]) => void;
}) {
  return (
    <div className={classes.numbers}>
      {names.map((name, index) => (
        <NumberInput
          key={name}
          size="xs"
          label={name}
          min={0}
          max={most[index]}
          allowDecimal={false}
          value={values[index] ?? ""}
          onChange={(value) => {
            const next = names.map((_, at) => values[at] ?? 0);
            next[index] = typeof value === "number" ? value : 0;
            onValues(next);
          }}
        />
      ))}
    </div>
  );
}

function Words({
  state,
  looking,
  onChange,
  onFind,
}: Pick<Props, "state" | "looking" | "onChange" | "onFind">) {
  return (
    <form
      className={classes.find}
      onSubmit={(event) => {
        event.preventDefault();
        onFind();
      }}
    >
      <TextInput
        label="What to find"
        placeholder="the sofa"
        data-autofocus
        value={state.phrase}
        maxLength={500}
        onChange={(event) => onChange({ phrase: event.currentTarget.value })}
      />
      <Button type="submit" variant="light" loading={looking} disabled={!state.phrase.trim()}>
        Find
      </Button>
    </form>
  );
}

export function RegionTools({ node, state, instruction, looking, brush, onBrush, onChange, onFind }: Props) {
  const width = node.width ?? 1;
  const height = node.height ?? 1;
  switch (state.tool) {
    case "whole":
      return (
        <p className={classes.quiet}>
          The model changes what it takes the words to mean, anywhere in the picture.
        </p>
      );
    case "auto":
      return (
        <div className={classes.find}>
          <p className={classes.quiet}>
            {instruction ? (
              <>
                The region is found from your words: <span className="words">{instruction}</span>
              </>
            ) : (
              "The region is found from your words. Say what should change, then look at what is found."
            )}
          </p>
          <Button variant="light" loading={looking} disabled={!instruction.trim()} onClick={onFind}>
            Show what is found
          </Button>
        </div>
      );
    case "phrase":
      return <Words state={state} looking={looking} onChange={onChange} onFind={onFind} />;
    case "point":
      return (
        <div className={classes.find}>
          <p className={classes.quiet}>Click the object in the picture, or give the place in pixels.</p>
          <Numbers
            names={["Across", "Down"]}
            values={state.point}
            most={[width, height]}
            onValues={(point) => onChange({ point })}
          />
          <Button variant="light" loading={looking} disabled={state.point.length !== 2} onClick={onFind}>
            Show what is found
          </Button>
        </div>
      );
    case "box":
      return (
        <div className={classes.find}>
          <p className={classes.quiet}>Draw a box in the picture, or give its edges in pixels.</p>
          <Numbers
            names={["Left", "Top", "Right", "Bottom"]}
            values={state.box}
            most={[width, height, width, height]}
            onValues={(box) => onChange({ box })}
          />
        </div>
      );
    case "brush":
      return (
        <div className={classes.find}>
          <SegmentedControl
            aria-label="Brush or eraser"
            data={["Brush", "Eraser"]}
            value={brush.erase ? "Eraser" : "Brush"}
            onChange={(value) => onBrush({ ...brush, erase: value === "Eraser" })}
          />
          <div>
            <span className={classes.label}>Width, {brush.width} pixels</span>
            <Slider
              label={null}
              thumbLabel="Width of the brush"
              min={2}
              max={widestBrush({ width, height })}
              value={brush.width}
              onChange={(value) => onBrush({ ...brush, width: value })}
            />
          </div>
          <div className={classes.row}>
            <Button
              size="compact-sm"
              variant="default"
              disabled={state.strokes.length === 0}
              onClick={() => onChange({ strokes: state.strokes.slice(0, -1) })}
            >
              Take the last stroke back
            </Button>
            <Button
              size="compact-sm"
              variant="default"
              disabled={state.strokes.length === 0 && !state.upload}
              onClick={() => onChange({ strokes: [], upload: null })}
            >
              Clear
            </Button>
          </div>
        </div>
      );
  }
}
