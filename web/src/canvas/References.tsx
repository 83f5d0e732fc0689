/** The reference pictures of an edit, each with how strongly it is followed. */
import { Button, CloseButton, Slider } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { useState } from "react";
import { uploadOf } from "../api/addresses";
import { useUpload } from "../api/changes";
import { refusal } from "../start/files";
import type { Model, ReferenceHow } from "../api/types";
import { type Dial, DialField } from "../theme/DialField";
import { tellError } from "../theme/Notices";
import { type Draft, howOf, useDraft, withoutUploads } from "../tree/draft";
import classes from "./Composer.module.css";

const most = 16;

/** `rest` is the general default of `core/reference_settings.py`. */
const dials: readonly (Dial & { readonly key: keyof ReferenceHow; readonly rest: number })[] = [
  { key: "detail", name: "Fine detail", min: 0, max: 1, step: 0.05, rest: 0.8 },
  { key: "words", name: "The words beside it", min: 0, max: 2, step: 0.1, rest: 1 },
];

interface Props {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
  models: readonly Model[];
}

/** Upload pictures as references of the next edit of a node. */
export function useReferences(node: string): { busy: boolean; add: (files: File[]) => void } {
  const [draft, change] = useDraft(node);
  const [busy, setBusy] = useState(false);
  const { mutateAsync } = useUpload();
  const add = async (files: File[]) => {
    setBusy(true);
    const added = [...draft.references];
    try {
      for (const file of files.slice(0, most - added.length)) {
        const no = refusal(file);
        if (no) throw new Error(no);
        added.push({ upload: (await mutateAsync(file)).id, weight: 1 });
      }
    } catch (error) {
      tellError(error as Error);
    } finally {
      setBusy(false);
      change({ references: added });
    }
  };
  return { busy, add: (files) => void add(files) };
}

/** How all the references are followed, folded away until it is asked for or was set. */
function How({ draft, onChange, models }: Props) {
  const how = draft.settings.reference ?? {};
  const [open, setOpen] = useState(howOf(how) !== null);
  const model = models.find(({ name }) => name === draft.model) ?? models.find((one) => one.reads_references);
  const set = (reference: ReferenceHow) =>
    onChange({ settings: { ...draft.settings, reference: howOf(reference) } });
  return (
    <div className={classes.how}>
      <button type="button" className={classes.unfold} aria-expanded={open} onClick={() => setOpen(!open)}>
        <IconChevronRight size={15} stroke={1.8} /> How it is followed
        {!open && howOf(how) !== null && ", changed"}
      </button>
      {open && (
        <div className={classes.howDials}>
          {dials.map((dial) => (
            <DialField
              key={dial.key}
              dial={dial}
              value={how[dial.key] ?? null}
              own={model?.defaults.reference?.[dial.key] ?? null}
              rest={dial.rest}
              onValue={(value) => set({ ...how, [dial.key]: value })}
            />
          ))}
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            disabled={howOf(how) === null}
            onClick={() => set({})}
          >
            Back to the model's own
          </Button>
        </div>
      )}
    </div>
  );
}

export function References({ draft, onChange, models }: Props) {
  if (draft.references.length === 0) return null;
  const set = (upload: string, weight: number) =>
    onChange({
      references: draft.references.map((one) => (one.upload === upload ? { ...one, weight } : one)),
    });
  const drop = (upload: string) => onChange(withoutUploads(draft, new Set([upload])));
  return (
    <div className={classes.references}>
      <ul className={classes.referenceList} aria-label="References">
        {draft.references.map(({ upload, weight = 1 }, index) => (
          <li key={upload} className={classes.reference}>
            <img src={uploadOf(upload)} alt={`Reference ${index + 1}`} />
            <div className={classes.weight}>
              <span className={classes.weightName}>Strength × {weight.toFixed(1)}</span>
              <Slider
                size="sm"
                min={0}
                max={2}
                step={0.1}
                label={null}
                thumbLabel={`How strongly reference ${index + 1} is followed`}
                value={weight}
                onChange={(value) => set(upload, value)}
              />
            </div>
            <CloseButton
              size="sm"
              aria-label={`Take reference ${index + 1} out`}
              onClick={() => drop(upload)}
            />
          </li>
        ))}
      </ul>
      <How draft={draft} onChange={onChange} models={models} />
    </div>
  );
}
