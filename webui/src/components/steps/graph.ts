import { graphlib, layout } from "@dagrejs/dagre";
import { type Step, Step_State } from "@/gen/services/runs/v1/runs_pb";

export const NODE = { width: 152, height: 64 };

export interface StepNode {
  id: string;
  step: Step;
  x: number;
  y: number;
}

// Longer processes go on below, so that their words stay readable.
const COLUMNS = 6;
const GAP = { x: 22, y: 20, row: 34 };

export interface StepEdge {
  id: string;
  source: string;
  target: string;
  // The run has come this way.
  passed: boolean;
  // It leads back to the left, into the next row.
  wrapped: boolean;
}

export interface StepGraph {
  nodes: StepNode[];
  edges: StepEdge[];
  height: number;
}

// The steps of a run as a drawing from left to right. A step that names none before it follows the one declared before.
export function graphOf(steps: readonly Step[]): StepGraph {
  const edges = steps.flatMap((step, index) => edgesTo(step, steps[index - 1], steps));
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: GAP.y, ranksep: GAP.x });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { name } of steps) graph.setNode(name, { ...NODE });
  for (const { source, target } of edges) graph.setEdge(source, target);
  if (steps.length > 0) layout(graph);
  const placed = steps.map((step) => {
    const { x, y } = graph.node(step.name) as { x: number; y: number };
    return { id: step.name, step, x: x - NODE.width / 2, y: y - NODE.height / 2 };
  });
  const rowHeight = Math.max(NODE.height, ...placed.map(({ y }) => y + NODE.height)) + GAP.row;
  const rows = new Map(placed.map(({ id, x }) => [id, Math.floor(Math.round(x / PITCH) / COLUMNS)]));
  const row = (id: string) => rows.get(id) ?? 0;
  const nodes = placed.map((node) => ({
    ...node,
    x: node.x - row(node.id) * COLUMNS * PITCH,
    y: node.y + row(node.id) * rowHeight,
  }));
  return {
    nodes,
    edges: edges.map((edge) => ({ ...edge, wrapped: row(edge.source) !== row(edge.target) })),
    height: Math.max(NODE.height, ...nodes.map(({ y }) => y + NODE.height)),
  };
}

const PITCH = NODE.width + GAP.x;

function edgesTo(step: Step, declaredBefore: Step | undefined, steps: readonly Step[]): Omit<StepEdge, "wrapped">[] {
  const names = step.after.length > 0 ? step.after : declaredBefore ? [declaredBefore.name] : [];
  return names.flatMap((name) => {
    const from = steps.find((other) => other.name === name);
    if (!from) return []; // A snapshot of an older definition may name what it no longer has.
    return [
      {
        id: `${name}>${step.name}`,
        source: name,
        target: step.name,
        passed: step.state !== Step_State.PENDING && step.state !== Step_State.STATE_UNSPECIFIED,
      },
    ];
  });
}
