/** A title that turns into a field when it is pressed; Enter keeps, Escape leaves it as it was. */
import { useEffect, useRef, useState } from "react";
import classes from "./Renamable.module.css";

interface Props {
  label: string;
  value: string;
  placeholder: string;
  onValue: (value: string) => void;
}

export function Renamable({ label, value, placeholder, onValue }: Props) {
  const [draft, setDraft] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const closed = useRef(false);
  useEffect(() => {
    if (draft === null && closed.current) button.current?.focus({ preventScroll: true });
    closed.current = false;
  }, [draft]);
  const close = (keep: boolean, refocus: boolean) => {
    const next = (draft ?? value).trim();
    closed.current = refocus;
    setDraft(null);
    if (keep && next !== value) onValue(next);
  };
  if (draft === null)
    return (
      <button
        ref={button}
        type="button"
        className={classes.shown}
        aria-label={`${label}: ${value || placeholder}. Rename`}
        onClick={() => setDraft(value)}
      >
        <span data-empty={value === ""}>{value || placeholder}</span>
      </button>
    );
  return (
    <input
      className={classes.field}
      aria-label={label}
      autoFocus
      maxLength={200}
      value={draft}
      placeholder={placeholder}
      onFocus={(event) => event.currentTarget.select()}
      onChange={(event) => setDraft(event.currentTarget.value)}
      onBlur={() => close(true, false)}
      onKeyDown={(event) => {
        if (event.key === "Enter") {
          // Else the same press would open the field again: the button has the focus by then.
          event.preventDefault();
          close(true, true);
        }
        if (event.key === "Escape") {
          event.stopPropagation();
          close(false, true);
        }
      }}
    />
  );
}
