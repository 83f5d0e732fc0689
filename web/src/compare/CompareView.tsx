/** Two pictures of a design compared: parted by a slider, side by side, or by their difference. */
import { ActionIcon, Modal, SegmentedControl, Tooltip } from "@mantine/core";
import { IconArrowsExchange, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { pictureOf } from "../api/addresses";
import { useComparison } from "../api/queries";
import type { Comparison } from "../api/types";
import { useDesign } from "../canvas/design";
import { loadPicture } from "../region/MaskOverlay";
import { type CompareView as View, compareViews, go } from "../routes";
import { Failure, Loading } from "../theme/Notices";
import { nameOf } from "../tree/words";
import { Choice } from "./Choice";
import classes from "./CompareView.module.css";
import { DifferenceView } from "./DifferenceView";
import { SideBySide } from "./SideBySide";
import { Slider } from "./Slider";

interface Side {
  readonly source: string;
  readonly alt: string;
  readonly name: string;
}

export interface Pair {
  readonly left: Side;
  readonly right: Side;
  /** Of the left picture; the right one is drawn at the same size. */
  readonly size: { readonly width: number; readonly height: number };
  readonly images: readonly [HTMLImageElement, HTMLImageElement];
}

const viewNames: Record<View, string> = { slider: "Slider", side: "Side by side", difference: "Difference" };
const views = { slider: Slider, side: SideBySide, difference: DifferenceView };

/** How much differs, in words. */
function verdict({ same_size, differing, psnr }: Comparison): string {
  if (!same_size) return "The sizes differ; the right picture is drawn at the size of the left.";
  if (differing === 0 && psnr === null) return "No pixel differs.";
  const share = differing === null ? "" : `${(100 * differing).toFixed(1)}% of the pixels differ`;
  return psnr === null ? share : `${share}, ${psnr.toFixed(1)} dB`;
}

function Facts({ left, right }: { left: string; right: string }) {
  const comparison = useComparison(left, right);
  if (comparison.error) return <p className={classes.facts}>{comparison.error.message}</p>;
  if (!comparison.data) return <p className={classes.facts}>Comparing …</p>;
  const { changes } = comparison.data;
  return (
    <details className={classes.facts}>
      <summary>
        {verdict(comparison.data)}
        {changes.length > 0 &&
          `; ${changes.length} ${changes.length === 1 ? "setting differs" : "settings differ"}`}
      </summary>
      <table>
        <thead>
          <tr>
            <th scope="col">What differs</th>
            <th scope="col">Left</th>
            <th scope="col">Right</th>
          </tr>
        </thead>
        <tbody>
          {changes.map((change) => (
            <tr key={change.field}>
              <th scope="row">{change.field}</th>
              <td>{change.left}</td>
              <td>{change.right}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function usePair(left: string, right: string) {
  const { all } = useDesign();
  const one = all.nodes.get(left);
  const other = all.nodes.get(right);
  const pictures = useQuery({
    queryKey: ["pictures", left, right],
    queryFn: () => Promise.all([loadPicture(pictureOf(left, "full")), loadPicture(pictureOf(right, "full"))]),
    gcTime: 0,
    retry: 1,
  });
  const pair = useMemo((): Pair | null => {
    if (!pictures.data || !one || !other) return null;
    const [first, second] = pictures.data;
    const side = (id: string, name: string, alt: string) => ({ source: pictureOf(id, "full"), name, alt });
    return {
      left: side(left, nameOf(one), `Left: ${nameOf(one)}`),
      right: side(right, nameOf(other), `Right: ${nameOf(other)}`),
      size: { width: first.naturalWidth, height: first.naturalHeight },
      images: [first, second],
    };
  }, [pictures.data, one, other, left, right]);
  return { one, other, pair, error: pictures.error, refetch: pictures.refetch };
}

interface Props {
  left: string;
  right: string;
  view: View;
  onClose: () => void;
}

export default function CompareView({ left, right, view, onClose }: Props) {
  const { all, tree } = useDesign();
  const { one, other, pair, error, refetch } = usePair(left, right);
  const show = (compare: { left?: string; right?: string; view?: View }) =>
    go(
      { kind: "project", project: tree.project.id, node: right, compare: { left, right, view, ...compare } },
      true,
    );
  const Shown = views[view];
  return (
    <Modal
      opened
      onClose={onClose}
      fullScreen
      withCloseButton={false}
      padding={0}
      attributes={{ content: { "aria-label": "Compare two pictures" } }}
      transitionProps={{ transition: "fade" }}
    >
      <div className={classes.page}>
        <div className={classes.head}>
          {one && <Choice label="Left" node={one} family={all} onNode={(id) => show({ left: id })} />}
          <Tooltip label="Swap the sides">
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label="Swap the sides"
              onClick={() => show({ left: right, right: left })}
            >
              <IconArrowsExchange size={18} />
            </ActionIcon>
          </Tooltip>
          {other && <Choice label="Right" node={other} family={all} onNode={(id) => show({ right: id })} />}
          <span className={classes.space} />
          <SegmentedControl
            className={classes.views}
            aria-label="How to compare"
            data={compareViews.map((name) => ({ value: name, label: viewNames[name] }))}
            value={view}
            onChange={(name) => show({ view: name as View })}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label="Close"
            onClick={onClose}
            className={classes.close}
          >
            <IconX size={20} />
          </ActionIcon>
        </div>
        {pair && <Shown key={`${left} ${right}`} pair={pair} />}
        {!pair && !error && one && other && <Loading what="Reading the pictures" />}
        {error && <Failure error={error} retry={() => void refetch()} />}
        {(!one || !other) && (
          <Failure error={new Error("One of the pictures is not in this design; choose another pair.")} />
        )}
        {one && other && <Facts left={left} right={right} />}
      </div>
    </Modal>
  );
}
