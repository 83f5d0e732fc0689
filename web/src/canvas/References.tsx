/** The reference pictures of an edit, each with how strongly it is followed. */
import { CloseButton, Slider } from "@mantine/core";
import { useState } from "react";
import { uploadOf } from "../api/addresses";
import { useUpload } from "../api/changes";
import { refusal } from "../start/files";
import { tellError } from "../theme/Notices";
import { type Draft, useDraft } from "../tree/draft";
import classes from "./Composer.module.css";

const most = 16;

interface Props {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
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

export function References({ draft, onChange }: Props) {
  if (draft.references.length === 0) return null;
  const set = (upload: string, weight: number) =>
    onChange({
      references: draft.references.map((one) => (one.upload === upload ? { ...one, weight } : one)),
    });
  const drop = (upload: string) =>
    onChange({ references: draft.references.filter((one) => one.upload !== upload) });
  return (
    <ul className={classes.references} aria-label="References">
      {draft.references.map(({ upload, weight = 1 }, index) => (
        <li key={upload} className={classes.reference}>
          <img src={uploadOf(upload)} alt={`Reference ${index + 1}`} />
          <div className={classes.weight}>
            <Slider
              size="sm"
              min={0}
              max={2}
              step={0.1}
              label={(value) => `× ${value.toFixed(1)}`}
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
  );
}
