import { type Client, createClient } from "@connectrpc/connect";
import { createConnectQueryKey, useTransport } from "@connectrpc/connect-query";
import {
  IconArrowBackUp,
  IconArrowsSort,
  IconBan,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlayerSkipForward,
  IconPlayerStop,
  IconRefresh,
  IconRotate,
  type TablerIcon,
} from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type Run, Run_Command, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { newer } from "./model/fold";

export type Command = Exclude<Run_Command, Run_Command.COMMAND_UNSPECIFIED>;

interface Words {
  label: string;
  icon: TablerIcon;
  color?: string;
  // What will happen.
  text: string;
  // What was done.
  said: string;
  // The door wants a reason.
  reason: "optional" | "required";
}

export const words: Record<Command, Words> = {
  [Run_Command.PAUSE]: {
    label: "Pause",
    icon: IconPlayerPause,
    text: "The step under way is finished first; then the run stands still until somebody resumes it.",
    said: "The run will pause before its next step.",
    reason: "optional",
  },
  [Run_Command.RESUME]: {
    label: "Resume",
    icon: IconPlayerPlay,
    text: "The run goes on where it stopped.",
    said: "The run goes on.",
    reason: "optional",
  },
  [Run_Command.CANCEL]: {
    label: "Cancel run",
    icon: IconPlayerStop,
    color: "red",
    text: "The run stops. A cancelled run can't go on.",
    said: "The run is being cancelled.",
    reason: "optional",
  },
  [Run_Command.RETRY]: {
    label: "Run again",
    icon: IconRefresh,
    text: "A new run starts with the same input. This one stays as it is.",
    said: "A new run has started.",
    reason: "optional",
  },
  [Run_Command.RETRY_STEP]: {
    label: "Retry step",
    icon: IconRotate,
    text: "The step that failed is tried again, at once.",
    said: "The step is tried again.",
    reason: "optional",
  },
  [Run_Command.SKIP_STEP]: {
    label: "Skip step",
    icon: IconPlayerSkipForward,
    color: "orange",
    text: "The run goes on as if the step had succeeded without doing anything. Say why that is right.",
    said: "The run goes on without the step.",
    reason: "required",
  },
  [Run_Command.RESET]: {
    label: "Reset to a step",
    icon: IconArrowBackUp,
    color: "orange",
    text: "Everything from the chosen step on is undone, last first. Then the run goes on from that step.",
    said: "The run goes back.",
    reason: "required",
  },
  [Run_Command.TERMINATE]: {
    label: "Terminate",
    icon: IconBan,
    color: "red",
    text: "The run ends at once and nothing is undone: what its steps have done stays as it is.",
    said: "The run was terminated.",
    reason: "required",
  },
  [Run_Command.PRIORITISE]: {
    label: "Change priority",
    icon: IconArrowsSort,
    text: "Queued runs with a smaller number start first.",
    said: "The priority is changed.",
    reason: "optional",
  },
};

// Less often wanted, or not to be hit by accident.
export const rare = new Set<Run_Command>([Run_Command.RESET, Run_Command.TERMINATE]);

export const isCommand = (command: Run_Command): command is Command => command in words;

export interface Given {
  reason: string;
  // Of a cancel: what was done so far stays.
  keep?: boolean;
  // Of a reset: the first step that is done again.
  step?: string;
  priority?: number;
}

// Gives a run a command. The answer takes the run's place on the page, except for RETRY, which answers with a new run.
// A refusal means that the run is not what was shown, so it is read again.
export function useCommands(name: string) {
  const client = useQueryClient();
  const transport = useTransport();
  const key = createConnectQueryKey({ schema: RunsService.method.getRun, input: { name }, transport, cardinality: "finite" });
  return async (command: Command, given: Given): Promise<Run> => {
    try {
      const run = await send(createClient(RunsService, transport), name, command, given);
      if (command !== Run_Command.RETRY) client.setQueryData(key, (known) => newer(known, run));
      return run;
    } catch (error) {
      void client.invalidateQueries({ queryKey: key });
      throw error;
    }
  };
}

function send(
  runs: Client<typeof RunsService>,
  name: string,
  command: Command,
  { reason, keep = false, step = "", priority = 0 }: Given,
): Promise<Run> {
  switch (command) {
    case Run_Command.PAUSE:
      return runs.pauseRun({ name, reason });
    case Run_Command.RESUME:
      return runs.resumeRun({ name, reason });
    case Run_Command.CANCEL:
      return runs.cancelRun({ name, reason, keep });
    case Run_Command.RETRY:
      return runs.retryRun({ name, reason });
    case Run_Command.RETRY_STEP:
      return runs.retryStep({ name, reason });
    case Run_Command.SKIP_STEP:
      return runs.skipStep({ name, reason });
    case Run_Command.RESET:
      return runs.resetRun({ name, reason, step });
    case Run_Command.TERMINATE:
      return runs.terminateRun({ name, reason });
    case Run_Command.PRIORITISE:
      return runs.prioritiseRun({ name, reason, priority });
  }
}
