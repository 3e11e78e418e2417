import { Box, Group, Paper, Text, useComputedColorScheme } from "@mantine/core";
import { IconClock, IconSitemap, IconStack2, IconUser, type TablerIcon } from "@tabler/icons-react";
import { Background, Handle, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { useMemo } from "react";
import { lookOf } from "@/components/ui/state";
import { type Step, Step_Kind, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { humanise } from "@/lib/names";
import { graphOf, NODE } from "./graph";

type StepNodeData = Node<{ step: Step; planned: boolean; chosen: boolean }, "step">;

interface DiagramProps {
  steps: Step[];
  // Before a run starts: the shape alone, without states.
  planned?: boolean;
  // For choosing one by mouse; a list of the same steps must stand beside it, for everybody else.
  chosen?: string;
  onChoose?: (step: Step) => void;
}

// The shape of the process, coloured by where the run is. The list of steps beside it says the same in words.
export function StepDiagram({ steps, planned = false, chosen, onChoose }: DiagramProps) {
  const scheme = useComputedColorScheme("light");
  const { nodes, edges, height } = useMemo(() => graphOf(steps), [steps]);
  return (
    <Paper
      h={Math.min(height + 48, 420)}
      // On a telephone nobody could read it.
      visibleFrom="xs"
      role="img"
      aria-label={`Diagram of ${steps.length} steps`}
      data-testid="run-diagram"
    >
      <ReactFlow<StepNodeData>
        nodes={nodes.map(({ id, step, x, y }): StepNodeData => ({
          id,
          type: "step",
          position: { x, y },
          data: { step, planned, chosen: id === chosen },
          ...NODE,
          focusable: false,
          style: onChoose && { cursor: "pointer", pointerEvents: "all" },
        }))}
        edges={edges.map(({ id, source, target, passed, wrapped }) => ({
          id,
          source,
          target,
          type: wrapped ? "smoothstep" : "default",
          focusable: false,
          style: { stroke: passed ? "var(--mantine-color-teal-filled)" : "var(--mantine-color-default-border)", strokeWidth: 2 },
        }))}
        nodeTypes={nodeTypes}
        onNodeClick={onChoose && ((_, { data }) => onChoose(data.step))}
        colorMode={scheme}
        fitView
        fitViewOptions={{ padding: 0.05, maxZoom: 1 }}
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

// What sets a step apart from a plain call: a person, a wait, many calls, another process.
const kinds: Partial<Record<Step_Kind, TablerIcon>> = {
  [Step_Kind.TASK]: IconUser,
  [Step_Kind.TIMER]: IconClock,
  [Step_Kind.EACH]: IconStack2,
  [Step_Kind.CHILD]: IconSitemap,
};

function StepBox({ data: { step, planned, chosen } }: NodeProps<StepNodeData>) {
  const state = Step_State[step.state] === "STATE_UNSPECIFIED" ? "PENDING" : Step_State[step.state];
  const { color, icon: Icon } = lookOf(state);
  const Kind = kinds[step.kind];
  const ahead = !planned && (state === "PENDING" || state === "SKIPPED");
  const border = ahead || planned ? "var(--mantine-color-default-border)" : `var(--mantine-color-${color}-filled)`;
  return (
    <Box
      {...NODE}
      w={NODE.width}
      h={NODE.height}
      px={10}
      py={7}
      bdrs="md"
      bg="var(--mantine-color-body)"
      style={{
        border: `1.5px ${ahead ? "dashed" : "solid"} ${chosen ? "var(--mantine-primary-color-filled)" : border}`,
        boxShadow: chosen
          ? "0 0 0 3px var(--mantine-primary-color-light)"
          : state === "RUNNING"
            ? `0 0 0 3px var(--mantine-color-${color}-light)`
            : undefined,
      }}
    >
      <Handle type="target" position={Position.Left} style={handle} isConnectable={false} />
      <Group gap={4} wrap="nowrap" justify="space-between" align="flex-start">
        <Text fz={13} lh={1.25} fw={550} lineClamp={2} c={ahead ? "dimmed" : undefined}>
          {step.title || humanise(step.name)}
        </Text>
        {Kind && <Kind size={14} stroke={1.7} opacity={0.6} style={{ flexShrink: 0 }} />}
      </Group>
      {planned ? (
        (step.optional || step.skippable) && (
          <Text fz={11.5} c="dimmed" mt={2}>
            {step.optional ? "If needed" : "May be skipped"}
          </Text>
        )
      ) : (
        <Group gap={4} wrap="nowrap" c={ahead ? "dimmed" : color} mt={2}>
          <Icon size={13} stroke={2.2} className={state === "RUNNING" ? "pulse" : undefined} />
          <Text inherit fz={11.5}>
            {humanise(state)}
          </Text>
        </Group>
      )}
      <Handle type="source" position={Position.Right} style={handle} isConnectable={false} />
    </Box>
  );
}

const nodeTypes = { step: StepBox };
