import { type Task, Task_Decision, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { date } from "@/lib/time";

// How a task ended, as one word: the decision if there is one.
export function outcomeOf({ state, decision }: Task): string {
  if (state !== Task_State.DECIDED) return Task_State[state];
  return decision === Task_Decision.APPROVE ? "APPROVED" : "REJECTED";
}

export const isOverdue = ({ state, dueTime }: Task, now: Date): boolean =>
  state === Task_State.OPEN && dueTime !== undefined && (date(dueTime) ?? now) < now;

// Approvals so far and how many are wanted; undefined where one person decides.
export function quorumOf({ quorum, votes }: Task): { approvals: number; wanted: number } | undefined {
  if (quorum < 2) return undefined;
  return { approvals: votes.filter(({ decision }) => decision === Task_Decision.APPROVE).length, wanted: quorum };
}

// What the two decisions are called.
export const labelsOf = ({ approveLabel, rejectLabel }: Task) => ({
  approve: approveLabel || "Approve",
  reject: rejectLabel || "Reject",
});
