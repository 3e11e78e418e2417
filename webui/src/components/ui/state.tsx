import { Badge } from "@mantine/core";
import {
  IconAlertTriangle,
  IconArrowBackUp,
  IconBan,
  IconCheck,
  IconCircleDashed,
  IconClockPause,
  IconHourglass,
  IconPencil,
  IconPlayerPause,
  IconPlayerSkipForward,
  IconPlayerPlay,
  IconQuestionMark,
  IconTool,
  type TablerIcon,
} from "@tabler/icons-react";
import { humanise } from "@/lib/names";

interface Look {
  color: string;
  icon: TablerIcon;
}

// One look for each word of state, wherever it appears: colour never speaks alone, the icon and the word say the same.
const looks: Record<string, Look> = {
  STARTING: { color: "gray", icon: IconCircleDashed },
  QUEUED: { color: "gray", icon: IconHourglass },
  PENDING: { color: "gray", icon: IconCircleDashed },
  INVITED: { color: "amber", icon: IconHourglass },
  OPEN: { color: "amber", icon: IconClockPause },
  RUNNING: { color: "blue", icon: IconPlayerPlay },
  SENDING: { color: "blue", icon: IconPlayerPlay },
  WAITING: { color: "amber", icon: IconClockPause },
  PARKED: { color: "red", icon: IconTool },
  PAUSED: { color: "grape", icon: IconPlayerPause },
  COMPENSATING: { color: "orange", icon: IconArrowBackUp },
  COMPENSATED: { color: "orange", icon: IconArrowBackUp },
  COMPLETED: { color: "teal", icon: IconCheck },
  SUCCEEDED: { color: "teal", icon: IconCheck },
  ACTIVE: { color: "teal", icon: IconCheck },
  ACCEPTED: { color: "teal", icon: IconCheck },
  APPROVED: { color: "teal", icon: IconCheck },
  DECIDED: { color: "teal", icon: IconCheck },
  SENT: { color: "teal", icon: IconCheck },
  FAILED: { color: "red", icon: IconAlertTriangle },
  CORRECTED: { color: "blue", icon: IconPencil },
  REPLAYED: { color: "teal", icon: IconCheck },
  REJECTED: { color: "red", icon: IconBan },
  TIMED_OUT: { color: "red", icon: IconHourglass },
  TERMINATED: { color: "red", icon: IconBan },
  LOST: { color: "red", icon: IconQuestionMark },
  CANCELLED: { color: "gray", icon: IconBan },
  DISABLED: { color: "gray", icon: IconBan },
  WITHDRAWN: { color: "gray", icon: IconBan },
  EXPIRED: { color: "gray", icon: IconHourglass },
  SKIPPED: { color: "gray", icon: IconPlayerSkipForward },
};

const unknown: Look = { color: "gray", icon: IconCircleDashed };

export const lookOf = (state: string): Look => looks[state] ?? unknown;

export function StateBadge({ state, size = "md" }: { state: string; size?: "sm" | "md" | "lg" }) {
  const { color, icon: Icon } = lookOf(state);
  return (
    <Badge
      color={color}
      size={size}
      data-state={state}
      // A word of state is never cut short, however narrow its cell.
      style={{ flexShrink: 0, minWidth: "max-content" }}
      leftSection={
        <Icon size={size === "lg" ? 14 : 12} stroke={2.2} aria-hidden className={state === "RUNNING" ? "pulse" : undefined} />
      }
    >
      {humanise(state)}
    </Badge>
  );
}
