import { Badge, Group, Paper, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { lookOf, StateBadge } from "@/components/ui/state";
import { Elapsed } from "@/components/ui/moment";
import { type Step, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { humanise } from "@/lib/names";

const moving = new Set([Step_State.RUNNING, Step_State.WAITING, Step_State.COMPENSATING]);

// The steps in words, with what they took and what they said.
export function StepList({ steps }: { steps: Step[] }) {
  return (
    <Paper p="md" component="section" aria-labelledby="steps">
      <Title order={2} id="steps" mb="sm">
        Steps
      </Title>
      <Stack component="ol" gap="sm" m={0} p={0} style={{ listStyle: "none" }}>
        {steps.map((step) => (
          <StepRow key={step.name} step={step} />
        ))}
      </Stack>
    </Paper>
  );
}

function StepRow({ step }: { step: Step }) {
  const state = step.state === Step_State.STATE_UNSPECIFIED ? "PENDING" : Step_State[step.state];
  const { color, icon: Icon } = lookOf(state);
  return (
    <Group component="li" wrap="nowrap" align="flex-start" gap="sm" data-testid={`step-${step.name}`} data-state={state}>
      <ThemeIcon size={26} radius="xl" variant={state === "PENDING" ? "default" : "light"} color={color} aria-hidden>
        <Icon size={15} stroke={2.2} className={state === "RUNNING" ? "pulse" : undefined} />
      </ThemeIcon>
      <Stack gap={1} style={{ flex: 1, minWidth: 0 }}>
        <Group gap="0 8px">
          <Text size="sm" fw={550} c={state === "PENDING" ? "dimmed" : undefined} style={{ wordBreak: "break-word" }}>
            {step.title || humanise(step.name)}
          </Text>
          {step.attempt > 1 && (
            <Badge color="orange" size="sm" miw="max-content">
              attempt {step.attempt}
            </Badge>
          )}
          {step.optional && (
            <Badge color="gray" size="sm" miw="max-content">
              optional
            </Badge>
          )}
        </Group>
        {step.message && (
          <Text size="xs" c={step.state === Step_State.FAILED ? "red" : "dimmed"} style={{ wordBreak: "break-word" }}>
            {step.message}
          </Text>
        )}
      </Stack>
      <Stack gap={2} align="flex-end" style={{ flexShrink: 0 }}>
        <StateBadge state={state} size="sm" />
        {step.startTime && (
          <Text size="xs" c="dimmed">
            <Elapsed start={step.startTime} end={step.endTime} running={moving.has(step.state)} />
          </Text>
        )}
      </Stack>
    </Group>
  );
}
