import { Alert, Radio, SegmentedControl, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useState } from "react";
import { StepDiagram } from "@/components/steps/diagram";
import { ActionDialog } from "@/components/ui/dialogs";
import { done } from "@/components/ui/toast";
import { type Run, Run_Command, Run_State, type Step, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { useProcesses } from "@/lib/catalogue";
import { humanise, idOf } from "@/lib/names";
import { PriorityLabel, priorities } from "@/components/priority";
import { type Command, useCommands, words } from "./commands";
import { failedStep } from "./model/fold";

interface CommandDialogProps {
  command: Command;
  run: Run;
  onClose: () => void;
  // Told of the new run after a retry.
  onRetried?: (run: Run) => void;
}

// A command to one run: what it does, what must be chosen for it, and the reason that the journal keeps.
export function CommandDialog({ command, run, onClose, onRetried }: CommandDialogProps) {
  const { label, text, said, color, reason } = words[command];
  const give = useCommands(run.name);
  const [keep, setKeep] = useState(false);
  const [step, setStep] = useState("");
  const [priority, setPriority] = useState(run.priority || 3);
  const failed = failedStep(run);
  return (
    <ActionDialog
      opened
      onClose={onClose}
      title={`${label}?`}
      action={label}
      color={color}
      reason={reason}
      size={command === Run_Command.RESET ? "xl" : undefined}
      incomplete={command === Run_Command.RESET && step === ""}
      run={async (given) => {
        const answer = await give(command, { reason: given, keep, step, priority });
        done(said);
        if (command === Run_Command.RETRY) onRetried?.(answer);
      }}
    >
      {(faults) => (
        <Stack gap="md">
          {command === Run_Command.TERMINATE ? (
            <Alert role="note" color="red" icon={<IconAlertTriangle size={18} />} title="Nothing will be undone">
              {text} Cancel the run if it can still undo its work.
            </Alert>
          ) : (
            <Text size="sm">
              {command === Run_Command.RETRY && run.state === Run_State.COMPLETED
                ? "A new run starts for what this one has left: the rows that it rejected, as they are corrected by now."
                : text}
            </Text>
          )}
          {failed && (command === Run_Command.RETRY_STEP || command === Run_Command.SKIP_STEP) && (
            <Text size="sm">
              The step is “{failed.title || humanise(failed.name)}”{failed.message && `: ${failed.message}`}
            </Text>
          )}
          {command === Run_Command.CANCEL && <KeepOrUndo run={run} keep={keep} onKeep={setKeep} />}
          {command === Run_Command.RESET && <ChooseStep steps={run.steps} chosen={step} onChoose={setStep} fault={faults.step} />}
          {command === Run_Command.PRIORITISE && (
            <Stack gap={4}>
              <Text size="sm" fw={500} id="priority-label">
                Priority
              </Text>
              <SegmentedControl
                aria-labelledby="priority-label"
                value={String(priority)}
                onChange={(value) => setPriority(Number(value))}
                data={priorities.map(({ value }) => ({ value: String(value), label: String(value) }))}
              />
              <Text size="xs" c="dimmed">
                <PriorityLabel priority={priority} />
              </Text>
              {faults.priority && (
                <Text size="xs" c="red">
                  {faults.priority}
                </Text>
              )}
            </Stack>
          )}
        </Stack>
      )}
    </ActionDialog>
  );
}

// Processes that say so may leave what was done; all others undo it, step by step.
function KeepOrUndo({ run, keep, onKeep }: { run: Run; keep: boolean; onKeep: (keep: boolean) => void }) {
  const { data } = useProcesses();
  const process = data?.processes.find(({ name }) => idOf(name) === run.process);
  if (!process?.keepable) return <Text size="sm">What it has done is undone step by step, last first.</Text>;
  return (
    <Radio.Group label="What it has done so far" value={keep ? "keep" : "undo"} onChange={(value) => onKeep(value === "keep")}>
      <Stack gap="xs" mt="xs">
        <Radio value="undo" label="Undo it" description="Step by step, last first." />
        <Radio value="keep" label="Keep it" description="Only what was not started yet is left out." />
      </Stack>
    </Radio.Group>
  );
}

// Steps that have not begun can't be done again.
const begun = ({ state }: Step) => state !== Step_State.PENDING && state !== Step_State.STATE_UNSPECIFIED;

interface ChooseStepProps {
  steps: Step[];
  chosen: string;
  onChoose: (step: string) => void;
  fault?: string;
}

function ChooseStep({ steps, chosen, onChoose, fault }: ChooseStepProps) {
  return (
    <Stack gap="md">
      <StepDiagram steps={steps} chosen={chosen} onChoose={(step) => begun(step) && onChoose(step.name)} />
      <Radio.Group label="First step to be done again" value={chosen} onChange={onChoose} error={fault} required>
        <Stack gap="xs" mt="xs">
          {steps.filter(begun).map((step) => (
            <Radio
              key={step.name}
              value={step.name}
              label={step.title || humanise(step.name)}
              description={humanise(Step_State[step.state])}
            />
          ))}
        </Stack>
      </Radio.Group>
    </Stack>
  );
}
