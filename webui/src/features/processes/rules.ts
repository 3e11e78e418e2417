import type { Process } from "@/gen/services/runs/v1/runs_pb";
import { describeCron } from "@/lib/cron";

export interface Rule {
  // In a word, for a card; not for what goes without saying.
  badge?: string;
  text: string;
}

// How a process behaves beside its steps: limits, what happens at a failure, its own schedule.
export function rulesOf(process: Process): Rule[] {
  const { concurrency, organisationConcurrency, keyConcurrency, singleton, schedule, parks, keepable } = process;
  const rules: Rule[] = [];
  if (singleton) rules.push({ badge: "One at a time", text: "One run at a time; another start is refused" });
  if (organisationConcurrency > 0)
    rules.push({
      badge: `${organisationConcurrency} at once`,
      text: `At most ${organisationConcurrency} at once in your organisation; others queue`,
    });
  if (concurrency > 0)
    rules.push({ badge: `${concurrency} at once`, text: `At most ${concurrency} at once in the whole house; others queue` });
  if (keyConcurrency === 1) rules.push({ badge: "In turn by key", text: "One after the other for the same key" });
  if (keyConcurrency > 1)
    rules.push({ badge: `${keyConcurrency} at once by key`, text: `At most ${keyConcurrency} at once for the same key` });
  if (schedule) rules.push({ badge: "Starts by itself", text: `Starts by itself: ${describeCron(schedule) ?? schedule}` });
  rules.push(
    parks
      ? { badge: "Waits if a step fails", text: "A failed step waits for an operator" }
      : { text: "A failure undoes what was done" },
  );
  if (keepable) rules.push({ text: "A cancel may keep what was done" });
  return rules;
}
