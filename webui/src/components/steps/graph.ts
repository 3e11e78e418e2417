import { graphlib, layout } from "@dagrejs/dagre";
import { type Step, Step_State } from "@/gen/services/runs/v1/runs_pb";

export const NODE = { width: 152, height: 64 };

export interface StepNode {
  id: string;
  step: Step;
  x: number;
  y: number;
}

export interface StepEdge {
  id: string;
  source: string;
  target: string;
  // The run has come this way.
  passed: boolean;
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
  graph.setGraph({ rankdir: "LR", nodesep: 20, ranksep: 22 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { name } of steps) graph.setNode(name, { ...NODE });
  for (const { source, target } of edges) graph.setEdge(source, target);
  if (steps.length > 0) layout(graph);
  const nodes = steps.map((step) => {
    const { x, y } = graph.node(step.name) as { x: number; y: number };
    return { id: step.name, step, x: x - NODE.width / 2, y: y - NODE.height / 2 };
  });
  return { nodes, edges, height: Math.max(NODE.height, ...nodes.map(({ y }) => y + NODE.height)) };
}

function edgesTo(step: Step, declaredBefore: Step | undefined, steps: readonly Step[]): StepEdge[] {
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
