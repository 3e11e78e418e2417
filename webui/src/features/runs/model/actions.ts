import { Run_State } from "@/gen/services/runs/v1/runs_pb";
import { hasEnded } from "./fold";

export type Action = "pause" | "resume" | "cancel" | "retry";

// What can be done with a run in this state; the server has the last word.
export function actionsFor(state: Run_State): Action[] {
  if (state === Run_State.COMPLETED) return [];
  if (hasEnded(state)) return ["retry"];
  switch (state) {
    case Run_State.PAUSED:
      return ["resume", "cancel"];
    case Run_State.RUNNING:
    case Run_State.WAITING:
      return ["pause", "cancel"];
    case Run_State.STARTING:
    case Run_State.QUEUED:
      return ["cancel"];
    default:
      return [];
  }
}
