import { Box, Group, Paper, Text, useComputedColorScheme } from "@mantine/core";
import { Background, Handle, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { useMemo } from "react";
import { lookOf } from "@/components/ui/state";
import { type Step, Step_Kind, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { humanise } from "@/lib/names";
import { graphOf, NODE } from "./model/graph";

type StepNodeData = Node<{ step: Step }, "step">;

// The shape of the process, coloured by where the run is. The list of steps beside it says the same in words.
export function RunDiagram({ steps }: { steps: Step[] }) {
  const scheme = useComputedColorScheme("light");
  const { nodes, edges, height } = useMemo(() => graphOf(steps), [steps]);
  return (
    <Paper h={Math.min(height + 56, 420)} role="img" aria-label={`Diagram of ${steps.length} steps`} data-testid="run-diagram">
      <ReactFlow
        nodes={nodes.map(({ id, step, x, y }): StepNodeData => ({ id, type: "step", position: { x, y }, data: { step }, ...NODE, focusable: false }))}
        edges={edges.map(({ id, source, target, passed }) => ({
          id,
          source,
          target,
          focusable: false,
          style: { stroke: passed ? "var(--mantine-color-teal-filled)" : "var(--mantine-color-default-border)", strokeWidth: 2 },
        }))}
        nodeTypes={nodeTypes}
        colorMode={scheme}
        fitView
        fitViewOptions={{ padding: 0.08, maxZoom: 1 }}
        minZoom={0.3}
        nodesDraggable={false}
        nodesConnectable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        preventScrolling={false}
        disableKeyboardA11y
        proOptions={{ hideAttribution: true }}
        style={{ background: "transparent" }}
      >
        <Background gap={20} size={1} color="var(--mshub-line)" />
      </ReactFlow>
    </Paper>
  );
}

const handle = { opacity: 0, minWidth: 0, minHeight: 0, width: 1, height: 1, border: 0 };

function StepBox({ data: { step } }: NodeProps<StepNodeData>) {
  const state = Step_State[step.state] === "STATE_UNSPECIFIED" ? "PENDING" : Step_State[step.state];
  const { color, icon: Icon } = lookOf(state);
  const ahead = state === "PENDING" || state === "SKIPPED";
  return (
    <Box
      {...NODE}
      w={NODE.width}
      h={NODE.height}
      px="sm"
      py={8}
      bdrs="md"
      bg="var(--mantine-color-body)"
      style={{
        border: `1.5px ${ahead ? "dashed" : "solid"} ${ahead ? "var(--mantine-color-default-border)" : `var(--mantine-color-${color}-filled)`}`,
        boxShadow: state === "RUNNING" ? `0 0 0 3px var(--mantine-color-${color}-light)` : undefined,
      }}
    >
      <Handle type="target" position={Position.Left} style={handle} isConnectable={false} />
      <Text size="sm" fw={550} truncate c={ahead ? "dimmed" : undefined}>
        {step.title || humanise(step.name)}
      </Text>
      <Group gap={5} wrap="nowrap" c={ahead ? "dimmed" : color}>
        <Icon size={13} stroke={2.2} className={state === "RUNNING" ? "pulse" : undefined} />
        <Text size="xs" truncate inherit fz="xs">
          {humanise(state)}
          {step.kind === Step_Kind.TASK && " · person"}
          {step.kind === Step_Kind.EACH && " · many"}
        </Text>
      </Group>
      <Handle type="source" position={Position.Right} style={handle} isConnectable={false} />
    </Box>
  );
}

const nodeTypes = { step: StepBox };
