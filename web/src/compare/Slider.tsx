/** One picture over the other, parted at a column of pixels. */
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";
import classes from "./CompareView.module.css";
import type { Pair } from "./CompareView";
import { Sheet } from "./Sheet";
import { useView } from "./useView";
import { columnAt } from "./view";
import { ViewButtons } from "./ViewButtons";

export function Slider({ pair }: { pair: Pair }) {
  const { size, left, right } = pair;
  const [controls, frame] = useView(size);
  const { view } = controls;
  const divider = useRef<HTMLDivElement>(null);
  const ready = view !== null;
  useEffect(() => {
    if (ready) divider.current?.focus({ preventScroll: true });
  }, [ready]);
  const [column, setColumn] = useState(Math.round(size.width / 2));
  const drag = (event: PointerEvent<HTMLElement>) => {
    const frame = event.currentTarget.parentElement?.getBoundingClientRect();
    if (frame && view && event.buttons === 1)
      setColumn(columnAt(view, event.clientX - frame.left, size.width));
  };
  const press = (event: KeyboardEvent) => {
    const step = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: column - step, ArrowRight: column + step, Home: 0, End: size.width }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    setColumn(Math.min(Math.max(to, 0), size.width));
  };
  return (
    <>
      <div className={classes.windows}>
        <div className={classes.window} ref={frame} {...controls.handlers}>
          {view && (
            <>
              <Sheet {...left} view={view} size={size} to={column} />
              <Sheet {...right} view={view} size={size} from={column} />
              <span className={classes.tag} data-side="left">
                {left.name}
              </span>
              <span className={classes.tag} data-side="right">
                {right.name}
              </span>
              <div
                ref={divider}
                className={classes.divider}
                style={{ left: view.x + column * view.scale }}
                role="slider"
                tabIndex={0}
                aria-label="Where the two pictures part"
                aria-orientation="horizontal"
                aria-valuemin={0}
                aria-valuemax={size.width}
                aria-valuenow={column}
                aria-valuetext={`column ${column} of ${size.width}`}
                onKeyDown={press}
                onPointerDown={(event) => {
                  event.stopPropagation();
                  event.currentTarget.setPointerCapture(event.pointerId);
                }}
                onPointerMove={drag}
              >
                <span className={classes.grip} />
              </div>
            </>
          )}
        </div>
      </div>
      <ViewButtons controls={controls}>
        <output className={classes.number}>
          Column {column} of {size.width}
        </output>
      </ViewButtons>
    </>
  );
}
