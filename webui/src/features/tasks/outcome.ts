import { type Task, Task_Decision, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { date } from "@/lib/time";
import type { Viewer } from "@/lib/viewer";

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

// What the viewer may take out of whose hands, as the service sees it: who delegated a task has it back for whom it was
// first, and with that ends a claim; a claim alone is ended by who made it, and by an administrator.
export function releaseOf(task: Task, { user, can }: Viewer): "delegation" | "claim" | undefined {
  if (task.state !== Task_State.OPEN || !user || !can("tasks.decide")) return undefined;
  if (task.delegatedBy === user.name) return "delegation";
  return task.claimedBy !== "" && (task.claimedBy === user.name || can("*")) ? "claim" : undefined;
}
