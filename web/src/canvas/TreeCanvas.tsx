/** The tree of a design: pan, zoom, a small map, pictures and the lines between them. */
import "@xyflow/react/dist/base.css";
import {
  type Node as FlowNode,
  MiniMap,
  ReactFlow,
  useReactFlow,
  useStore,
  type ReactFlowState,
} from "@xyflow/react";
import { type MouseEvent, useCallback, useEffect, useMemo, useRef } from "react";
import { layout, pictureHeightOf, shapeOf } from "../tree/layout";
import { CanvasControls } from "./CanvasControls";
import { useDesign } from "./design";
import { flowNodes, type NodeData, type PictureNode } from "./flow";
import { Lines } from "./Lines";
import { useReveal } from "./reveal";
import classes from "./TreeCanvas.module.css";
import { TreeNode } from "./TreeNode";

const nodeTypes = { picture: TreeNode };
/** From so many pictures on, only those in view are drawn; fewer are all there for a screen reader. */
const many = 150;
const mapSize = { width: 168, height: 112 };
/** How much can be read: words at their size, words made larger, or none. */
const readable = ({ transform: [, , zoom] }: ReactFlowState) =>
  zoom < 0.36 ? "far" : zoom < 0.78 ? "middle" : "near";

/** Say that the layer of nodes is a tree: the library has no prop for it. */
function nameTree(canvas: HTMLDivElement | null): void {
  const layer = canvas?.querySelector(".react-flow__nodes");
  layer?.setAttribute("role", "tree");
  layer?.setAttribute("aria-label", "Tree of pictures");
}

function mapColour(node: FlowNode): string {
  const { node: picture } = node.data as NodeData;
  if (node.selected) return "var(--accent)";
  if (picture.starred) return "var(--star)";
  return "var(--line-strong)";
}

/** Nodes to draw, and where they lie; the layout is made anew only where ids or parents changed. */
function useFlow() {
  const { all, shown, selected, marked } = useDesign();
  const root = all.nodes.get(all.root);
  const pictureHeight = pictureHeightOf(root?.width ?? null, root?.height ?? null);
  const shape = shapeOf(shown);
  // `shape` stands for all of `shown` that the layout reads.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const places = useMemo(() => layout(shown, pictureHeight), [shape, pictureHeight]);
  const drawn = useRef<ReadonlyMap<string, PictureNode>>(new Map());
  const nodes = useMemo(
    // eslint-disable-next-line react-hooks/refs
    () => flowNodes({ family: shown, places, pictureHeight, selected: selected.id, marked }, drawn.current),
    [shown, places, pictureHeight, selected.id, marked],
  );
  useEffect(() => {
    drawn.current = new Map(nodes.map((node) => [node.id, node]));
  }, [nodes]);
  return { nodes, places, pictureHeight };
}

export function TreeCanvas({ onDetails }: { onDetails: () => void }) {
  const { select, mark, say, selected } = useDesign();
  const { nodes, places, pictureHeight } = useFlow();
  const distance = useStore(readable);
  const flow = useReactFlow();
  useReveal(places, pictureHeight);
  const click = useCallback(
    (event: MouseEvent, { id }: FlowNode) => {
      if (event.shiftKey) return mark(id === selected.id ? null : id);
      select(id, true);
      if (event.target instanceof Element && event.target.closest("[data-add]")) say();
    },
    [select, mark, say, selected.id],
  );
  return (
    <div className={classes.canvas} data-distance={distance} ref={nameTree}>
      <ReactFlow
        aria-label="Canvas"
        nodes={nodes}
        nodeTypes={nodeTypes}
        onNodeClick={click}
        onNodeDoubleClick={onDetails}
        onlyRenderVisibleElements={nodes.length > many}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        elementsSelectable={false}
        disableKeyboardA11y
        selectNodesOnDrag={false}
        zoomOnDoubleClick={false}
        deleteKeyCode={null}
        multiSelectionKeyCode={null}
        selectionKeyCode={null}
        panOnScroll
        minZoom={0.05}
        maxZoom={2}
        proOptions={{ hideAttribution: true }}
      >
        <Lines places={places} pictureHeight={pictureHeight} />
        <MiniMap
          className={classes.map}
          style={mapSize}
          pannable
          zoomable
          ariaLabel="Small map of the tree"
          nodeColor={mapColour}
          nodeBorderRadius={16}
          maskColor="var(--map-mask)"
          bgColor="transparent"
          onClick={(_event, place) =>
            void flow.setCenter(place.x, place.y, { zoom: flow.getZoom(), duration: 200 })
          }
        />
        <CanvasControls />
      </ReactFlow>
    </div>
  );
}
