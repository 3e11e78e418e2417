import type { Process } from "@/gen/services/runs/v1/runs_pb";

// How a process behaves beside its steps, each as a short sentence: limits, what happens at a failure, its own schedule.
export function rulesOf(process: Process): string[] {
  const { concurrency, organisationConcurrency, keyConcurrency, singleton, schedule, parks, keepable } = process;
  return [
    singleton && "One run at a time; another start is refused",
    organisationConcurrency > 0 && `At most ${organisationConcurrency} at once in your organisation; others queue`,
    concurrency > 0 && `At most ${concurrency} at once in the whole house; others queue`,
    keyConcurrency === 1 && "One after the other for the same key",
    keyConcurrency > 1 && `At most ${keyConcurrency} at once for the same key`,
    schedule && `Starts by itself: ${schedule}`,
    parks ? "A failed step waits for an operator" : "A failure undoes what was done",
    keepable && "A cancel may keep what was done",
  ].filter((rule) => typeof rule === "string" && rule !== "") as string[];
}
