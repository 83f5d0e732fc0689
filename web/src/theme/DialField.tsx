/** A slider of a setting that is the model's own until it is moved. */
import { Slider } from "@mantine/core";
import { useId } from "react";
import classes from "./DialField.module.css";

export interface Dial {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

interface Props {
  dial: Dial;
  value: number | null;
  /** The model's own value where it is known. */
  own: number | null;
  /** Where the slider stands while neither is known; the middle. */
  rest?: number;
  inWords?: (value: number) => string;
  onValue: (value: number) => void;
}

export function DialField({ dial, value, own, rest, inWords = String, onValue }: Props) {
  const id = useId();
  const { name, min, max, step } = dial;
  const said =
    value !== null ? inWords(value) : own === null ? "the model's own" : `${inWords(own)}, the model's own`;
  return (
    <div className={classes.field}>
      <span className={classes.head}>
        <span id={id}>{name}</span>
        <output>{said}</output>
      </span>
      <Slider
        size="sm"
        label={null}
        min={min}
        max={max}
        step={step}
        value={value ?? own ?? rest ?? (min + max) / 2}
        onChange={onValue}
        thumbProps={{ "aria-labelledby": id, "aria-valuetext": said }}
      />
    </div>
  );
}
