/** The settings of an edit, with the model's own values where nothing is set. */
import { Button, NumberInput, Select, Switch, TextInput } from "@mantine/core";
import type { Model, Settings } from "../api/types";
import { changedSettings, type Draft } from "../tree/draft";
import { type Dial, DialField } from "../theme/DialField";
import classes from "./Composer.module.css";

type DialKey = "text_guidance" | "image_guidance" | "steps";

const dials: readonly (Dial & { readonly key: DialKey })[] = [
  { key: "text_guidance", name: "Follow the words", min: 0, max: 12, step: 0.5 },
  { key: "image_guidance", name: "Keep the picture", min: 0, max: 4, step: 0.1 },
  { key: "steps", name: "Steps", min: 1, max: 100, step: 1 },
];

const speeds = [
  { value: "balanced", label: "Faster, next to no difference" },
  { value: "fast", label: "Fastest, for trying out" },
] as const;

interface Props {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
  models: readonly Model[];
}

export function SettingsFold({ draft, onChange, models }: Props) {
  const { settings } = draft;
  const model = models.find(({ name }) => name === draft.model) ?? models.find((one) => one.default);
  const set = (change: Settings) => onChange({ settings: { ...settings, ...change } });
  return (
    <div className={classes.fold}>
      {dials.map((dial) => (
        <DialField
          key={dial.key}
          dial={dial}
          value={settings[dial.key] ?? null}
          own={model?.defaults[dial.key] ?? null}
          onValue={(value) => set({ [dial.key]: value })}
        />
      ))}
      <NumberInput
        size="xs"
        label="Seed"
        placeholder="a new one each time"
        min={0}
        allowDecimal={false}
        value={settings.seed ?? ""}
        onChange={(value) => set({ seed: typeof value === "number" ? value : null })}
      />
      <Select
        size="xs"
        label="Model"
        data={models.map(({ name, title }) => ({ value: name, label: title }))}
        placeholder="chosen for the edit"
        clearable
        value={draft.model}
        onChange={(name) => onChange({ model: name })}
        comboboxProps={{ position: "top" }}
      />
      <Select
        size="xs"
        label="Speed"
        data={speeds}
        placeholder="as exact as the model is"
        clearable
        value={settings.profile ?? null}
        onChange={(value) => set({ profile: speeds.find((speed) => speed.value === value)?.value ?? null })}
        comboboxProps={{ position: "top" }}
      />
      <TextInput
        size="xs"
        label="Avoid"
        placeholder="what should not be there"
        value={settings.negative ?? ""}
        onChange={(event) => set({ negative: event.currentTarget.value || null })}
      />
      <div className={`${classes.wide} ${classes.foldFoot}`}>
        <Switch
          size="sm"
          label="Keep the original's fine detail"
          checked={settings.keep_detail ?? model?.defaults.keep_detail ?? true}
          onChange={(event) => set({ keep_detail: event.currentTarget.checked })}
        />
        <Button
          size="compact-sm"
          variant="subtle"
          color="gray"
          disabled={changedSettings(draft) === 0}
          onClick={() =>
            onChange({ settings: { region: settings.region, reference: settings.reference }, model: null })
          }
        >
          Back to the model's own
        </Button>
      </div>
    </div>
  );
}
