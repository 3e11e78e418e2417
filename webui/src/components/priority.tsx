// Order of the queue: runs with a smaller number start first.
export const priorities = [
  { value: 1, label: "before all others" },
  { value: 2, label: "before most" },
  { value: 3, label: "as usual" },
  { value: 4, label: "after others" },
  { value: 5, label: "when nothing else waits" },
];

export function PriorityLabel({ priority }: { priority: number }) {
  const known = priorities.find(({ value }) => value === priority);
  return <>{known ? `${known.value}: ${known.label}` : "–"}</>;
}
