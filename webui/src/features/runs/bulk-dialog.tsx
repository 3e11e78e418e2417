import { useMutation } from "@connectrpc/connect-query";
import { Anchor, Button, Code, Group, Loader, Modal, Select, Stack, Text, Textarea } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useFocusReturn } from "@/components/ui/focus";
import { Failure } from "@/components/ui/states";
import { type Run, Run_Command, Run_State, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { problemOf } from "@/lib/errors";
import { startKey } from "@/lib/idempotency";
import { idOf } from "@/lib/names";
import { formatCount, plural } from "@/lib/number";
import { useRun } from "./api";
import { type Command, words } from "./commands";
import { filterText, type RunFilter } from "./model/filter";
import { hasEnded } from "./model/fold";
import { countOf } from "./result";

// The process that gives many runs a command.
export const BULK = "runbulk";

// Commands that need nothing but a run and a reason.
const commands: Command[] = [
  Run_Command.PAUSE,
  Run_Command.RESUME,
  Run_Command.CANCEL,
  Run_Command.RETRY_STEP,
  Run_Command.SKIP_STEP,
  Run_Command.RETRY,
  Run_Command.TERMINATE,
];

interface BulkDialogProps {
  filter: RunFilter;
  onClose: () => void;
  onStarted: (run: Run) => void;
}

// One command for every run that the filter names, also those not on screen. First a dry run counts them; only then can
// it be applied. Both are runs of a process, so nothing is lost when this page is closed.
export function BulkDialog({ filter, onClose, onStarted }: BulkDialogProps) {
  useFocusReturn();
  const [command, setCommand] = useState<Command>(Run_Command.PAUSE);
  const [reason, setReason] = useState("");
  // What was counted; another command or reason must be counted anew.
  const [counting, setCounting] = useState<string>();
  const [visit] = useState(() => crypto.randomUUID());
  const start = useMutation(RunsService.method.startRun);
  const faults = start.error ? problemOf(start.error).fields : {};
  const text = filterText(filter);
  const { label, color } = words[command];
  const send = (dryRun: boolean) => {
    const input = { command: Run_Command[command], reason: reason.trim(), filter: text, dryRun };
    start.mutate(
      { process: BULK, input, idempotencyKey: startKey(visit, input) },
      { onSuccess: (run) => (dryRun ? setCounting(run.name) : onStarted(run)) },
    );
  };
  const forget = () => {
    setCounting(undefined);
    start.reset();
  };
  return (
    <Modal opened onClose={onClose} title="Command many runs" size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (reason.trim()) send(true);
        }}
      >
        <Stack gap="md">
          <Text size="sm" component="div">
            For every run that fits this filter, also those that are not on screen: <Code>{text}</Code>
          </Text>
          <Select
            label="Command"
            data={commands.map((value) => ({ value: String(value), label: words[value].label }))}
            value={String(command)}
            onChange={(value) => {
              setCommand(commands.find((one) => String(one) === value) ?? command);
              forget();
            }}
            allowDeselect={false}
            description={words[command].text}
            error={faults["input.command"]}
          />
          <Textarea
            label="Reason"
            description="Shown in the journal of each run."
            required
            autosize
            minRows={2}
            maxLength={1000}
            value={reason}
            onChange={(event) => {
              setReason(event.currentTarget.value);
              forget();
            }}
            error={faults["input.reason"]}
          />
          {start.error && <Failure title="That did not work" error={start.error} />}
          {counting && <Counted name={counting} label={label} color={color} busy={start.isPending} onApply={() => send(false)} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Back
            </Button>
            {!counting && (
              <Button type="submit" loading={start.isPending} disabled={reason.trim() === ""}>
                Count the runs
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

interface CountedProps {
  // The dry run: "runs/ID".
  name: string;
  label: string;
  color: string | undefined;
  busy: boolean;
  onApply: () => void;
}

// What the dry run found, and the button that makes it real.
function Counted({ name, label, color, busy, onApply }: CountedProps) {
  const { data: run, error } = useRun(name);
  if (error) return <Failure title="The runs could not be counted" error={error} />;
  if (!run || !hasEnded(run.state))
    return (
      <Group gap="sm" role="status">
        <Loader size="xs" />
        <Text size="sm">Counting the runs; nothing is done to them yet.</Text>
      </Group>
    );
  const found = countOf(run.result?.runs);
  if (run.state !== Run_State.COMPLETED)
    return (
      <Text size="sm" c="red" role="alert">
        The count did not succeed: {run.error?.message}{" "}
        <Anchor inherit renderRoot={(props) => <Link to="/runs/$runId" params={{ runId: idOf(name) }} {...props} />}>
          Show it
        </Anchor>
      </Text>
    );
  return (
    <Group justify="space-between" role="status" data-testid="bulk-count">
      <Text size="sm">
        {found === 0n ? "No run fits the filter and the command." : `${formatCount(found)} ${plural(found, "runs")} would get it.`}
      </Text>
      {found > 0n && (
        <Button color={color} loading={busy} onClick={onApply}>
          {label}: apply to all {formatCount(found)}
        </Button>
      )}
    </Group>
  );
}
