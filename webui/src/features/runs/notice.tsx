import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconHourglass, IconInbox, IconTool } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { PriorityLabel } from "@/components/priority";
import { type Run, Run_Command, Run_State, Step_Kind, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { capitalise } from "@/lib/errors";
import { humanise } from "@/lib/names";
import { formatCount } from "@/lib/number";
import { useViewer } from "@/lib/viewer";
import { failedStep, hasEnded } from "./model/fold";
import { CommandButtons } from "./steering";

// What a person should know first: why it failed or stands still, or that somebody is waited for.
export function Notice({ run }: { run: Run }) {
  if (run.parked && !hasEnded(run.state)) return <Parked run={run} />;
  if (run.error && (run.error.message || run.error.reason)) return <Failed run={run} error={run.error} />;
  if (run.state === Run_State.QUEUED) return <Queued run={run} />;
  if (!hasEnded(run.state)) return <Waiting run={run} />;
  return null;
}

// What a person can do about an end whose own words are for operators; those stand below.
const advice: Record<string, string> = {
  UNLAUNCHABLE:
    "This run could not begin, and nothing was done. Perhaps its input is too large: change it and start the process anew.",
};

function Failed({ run, error }: { run: Run; error: NonNullable<Run["error"]> }) {
  const step = run.steps.find(({ name }) => name === error.step);
  const state = humanise(Run_State[run.state]);
  const told = capitalise(error.message) || humanise(error.reason);
  const sentence = advice[error.reason];
  return (
    <Alert
      color={run.state === Run_State.CANCELLED ? "gray" : "red"}
      icon={<IconAlertTriangle size={18} />}
      title={step ? `${state} in “${step.title || humanise(step.name)}”` : state}
      data-testid="run-error"
    >
      {sentence && <Text size="sm">{sentence}</Text>}
      <Text size={sentence ? "xs" : "sm"} c={sentence && "dimmed"}>
        {told}
      </Text>
    </Alert>
  );
}

// A step has failed for good, and the run waits for an operator in place of undoing everything.
function Parked({ run }: { run: Run }) {
  const step = failedStep(run);
  const title = step?.title || humanise(step?.name ?? run.step);
  const message = step?.message || run.error?.message;
  const choices = [
    run.commands.includes(Run_Command.RETRY_STEP) && "retry it",
    run.commands.includes(Run_Command.SKIP_STEP) && "skip it",
    run.commands.includes(Run_Command.CANCEL) && "undo everything",
  ].filter((choice) => choice !== false);
  return (
    <Alert color="red" icon={<IconTool size={18} />} title={`Step “${title}” failed`} data-testid="run-parked">
      <Stack gap="sm" align="flex-start">
        {message && <Text size="sm">{capitalise(message)}</Text>}
        <Text size="sm">
          {choices.length > 0
            ? `The run waits for you: ${new Intl.ListFormat("en", { type: "disjunction" }).format(choices)}.`
            : "The run waits for an operator."}
        </Text>
        <Group gap="xs">
          <CommandButtons run={run} commands={[Run_Command.RETRY_STEP, Run_Command.SKIP_STEP, Run_Command.CANCEL]} />
        </Group>
      </Stack>
    </Alert>
  );
}

function Queued({ run }: { run: Run }) {
  const place = run.queuePosition > 0n ? `Place ${formatCount(run.queuePosition)} in the queue` : "In the queue";
  return (
    <Alert role="note" color="gray" icon={<IconHourglass size={18} />} title={place} data-testid="run-queued">
      <Stack gap="sm" align="flex-start">
        <Text size="sm">
          As many runs as may be open at once are open already; this one starts by itself when its turn comes.
          {run.priority > 0 && (
            <>
              {" "}
              Priority <PriorityLabel priority={run.priority} />.
            </>
          )}
        </Text>
        <CommandButtons run={run} commands={[Run_Command.PRIORITISE]} />
      </Stack>
    </Alert>
  );
}

function Waiting({ run }: { run: Run }) {
  const { can } = useViewer();
  const waiting = run.steps.find(({ kind, state }) => kind === Step_Kind.TASK && state === Step_State.WAITING);
  if (!waiting) return null;
  const title = `Waiting for a decision: ${waiting.title || humanise(waiting.name)}`;
  return (
    <Alert role="note" color="amber" icon={<IconInbox size={18} />} title={title}>
      {can("tasks.read") && (
        <Button
          size="xs"
          variant="filled"
          color="amber"
          renderRoot={(props) => <Link to="/inbox" search={{ view: "open", run: run.name }} {...props} />}
        >
          Open in the inbox
        </Button>
      )}
    </Alert>
  );
}
