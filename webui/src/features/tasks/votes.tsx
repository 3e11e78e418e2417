import { Group, Progress, Stack, Text } from "@mantine/core";
import { Actor } from "@/components/actor";
import { Moment } from "@/components/ui/moment";
import { StateBadge } from "@/components/ui/state";
import { type Task, Task_Decision, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { quorumOf } from "./outcome";

// Where several people must approve, or not the one who started it: how far it is, and who said what.
export function Votes({ task }: { task: Task }) {
  const quorum = quorumOf(task);
  const open = task.state === Task_State.OPEN;
  if (!quorum && !(open && task.fourEyes)) return null;
  return (
    <Stack gap="xs" component="section" aria-label="Votes" data-testid="votes">
      {quorum && (
        <>
          <Text size="sm" fw={550}>
            {quorum.approvals} of {quorum.wanted} approvals
          </Text>
          <Progress value={(quorum.approvals * 100) / quorum.wanted} color="teal" aria-label="Approvals" />
          {open && (
            <Text size="xs" c="dimmed">
              One rejection is enough to reject it.
            </Text>
          )}
        </>
      )}
      {open && task.fourEyes && (
        <Text size="xs" c="dimmed">
          Four eyes: who started the run may not decide.
        </Text>
      )}
      {task.votes.length > 0 && (
        <Stack component="ul" gap={6} m={0} p={0} style={{ listStyle: "none" }}>
          {task.votes.map((vote) => (
            <Group component="li" key={vote.actor} gap="sm" wrap="nowrap" align="flex-start">
              <StateBadge size="sm" state={vote.decision === Task_Decision.APPROVE ? "APPROVED" : "REJECTED"} />
              <Text size="sm" style={{ wordBreak: "break-word" }}>
                <Actor name={vote.actor} /> · <Moment time={vote.time} />
                {vote.reason && `: ${vote.reason}`}
              </Text>
            </Group>
          ))}
        </Stack>
      )}
    </Stack>
  );
}
