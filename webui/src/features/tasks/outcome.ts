import { type Task, Task_Decision, Task_State } from "@/gen/services/runs/v1/runs_pb";

// How a task ended, as one word: the decision if there is one.
export function outcomeOf({ state, decision }: Task): string {
  if (state !== Task_State.DECIDED) return Task_State[state];
  return decision === Task_Decision.APPROVE ? "APPROVED" : "REJECTED";
}
