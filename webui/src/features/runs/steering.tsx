import { Button } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay, IconPlayerStop, IconRefresh, type TablerIcon } from "@tabler/icons-react";
import { useState } from "react";
import { ActionDialog } from "@/components/ui/dialogs";
import { done } from "@/components/ui/toast";
import type { Run } from "@/gen/services/runs/v1/runs_pb";
import { useSteering } from "./api";
import { type Action, actionsFor } from "./model/actions";

const words: Record<Action, { label: string; icon: TablerIcon; color?: string; text: string; said: string }> = {
  pause: {
    label: "Pause",
    icon: IconPlayerPause,
    text: "The step under way is finished first; then the run stands still until somebody resumes it.",
    said: "The run will pause before its next step.",
  },
  resume: { label: "Resume", icon: IconPlayerPlay, text: "The run goes on where it stopped.", said: "The run goes on." },
  cancel: {
    label: "Cancel run",
    icon: IconPlayerStop,
    color: "red",
    text: "The run stops, and what it has done is undone step by step, last first. A cancelled run can't go on.",
    said: "The run is being cancelled.",
  },
  retry: {
    label: "Run again",
    icon: IconRefresh,
    text: "A new run starts with the same input. This one stays as it is.",
    said: "A new run has started.",
  },
};

// The buttons that a run's state allows, each with a dialog that says what it does and takes a reason.
export function Steering({ run, onRetried }: { run: Run; onRetried: (run: Run) => void }) {
  const [asked, setAsked] = useState<Action>();
  const steering = useSteering(run.name);
  const act = async (action: Action, reason: string) => {
    const answer = await steering[action](reason);
    done(words[action].said);
    if (action === "retry") onRetried(answer);
  };
  return (
    <>
      {actionsFor(run.state).map((action) => {
        const { label, icon: Icon, color } = words[action];
        return (
          <Button
            key={action}
            variant={action === "cancel" ? "light" : "default"}
            color={color}
            leftSection={<Icon size={16} />}
            onClick={() => setAsked(action)}
          >
            {label}
          </Button>
        );
      })}
      {asked && (
        <ActionDialog
          opened
          onClose={() => setAsked(undefined)}
          title={`${words[asked].label}?`}
          action={words[asked].label}
          color={words[asked].color}
          reason="optional"
          run={(reason) => act(asked, reason)}
        >
          {words[asked].text}
        </ActionDialog>
      )}
    </>
  );
}
