import { Button, Group, Paper, Stack, Switch, Table, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Actor } from "@/components/actor";
import { Failure, Loading } from "@/components/ui/states";
import type { Event } from "@/gen/events/v1/event_pb";
import type { Step } from "@/gen/services/runs/v1/runs_pb";
import { humanise } from "@/lib/names";
import { formatCount } from "@/lib/number";
import { date, formatAbsolute, formatClock } from "@/lib/time";

interface JournalProps {
  query: { data?: { events: Event[] }; error: unknown; refetch: () => unknown };
  steps: readonly Step[];
  // Earlier events exist that are not loaded.
  onEarlier?: () => void;
}

// Everything that happened, newest first, exactly as it was written.
export function Journal({ query, steps, onEarlier }: JournalProps) {
  const [ticks, setTicks] = useState(false);
  const titleOf = (name: string) => steps.find((step) => step.name === name)?.title || humanise(name);
  const events = (query.data?.events ?? []).filter(({ kind }) => ticks || kind !== "step.progress").toReversed();
  return (
    <Paper component="section" aria-labelledby="journal" style={{ overflow: "hidden" }}>
      <Group justify="space-between" p="md" pb="xs">
        <Title order={2} id="journal">
          Journal
        </Title>
        <Switch size="xs" label="Show progress ticks" checked={ticks} onChange={(event) => setTicks(event.currentTarget.checked)} />
      </Group>
      {query.data ? (
        <Stack gap={0}>
          {events.length === 0 && (
            <Text size="sm" c="dimmed" px="md" pb="md">
              Nothing has been written yet.
            </Text>
          )}
          <Table fz="xs" verticalSpacing={5} aria-label="Journal">
            <Table.Tbody>
              {events.map((event) => (
                <Table.Tr key={String(event.seq)} data-kind={event.kind}>
                  <Table.Td className="numeric" c="dimmed" w={44} ta="right" pr={0}>
                    {String(event.seq)}
                  </Table.Td>
                  <Table.Td
                    className="numeric"
                    c="dimmed"
                    w={78}
                    title={event.time && formatAbsolute(date(event.time) ?? new Date())}
                  >
                    {event.time && formatClock(date(event.time) ?? new Date())}
                  </Table.Td>
                  <Table.Td style={{ wordBreak: "break-word" }}>
                    <Text span inherit fw={550}>
                      {event.step ? titleOf(event.step) : "Run"}
                      {event.item > 0 && ` ${event.item}`}
                    </Text>{" "}
                    {verbOf(event.kind)}
                    {event.attempt > 1 && `, attempt ${event.attempt}`}
                    {event.kind === "step.progress" && event.progress && ` ${formatCount(event.progress.done)}`}
                    {event.actor && (
                      <>
                        {" by "}
                        <Actor name={event.actor} />
                      </>
                    )}
                    {event.message && (
                      <Text span inherit c="dimmed">
                        {" · "}
                        {event.message}
                      </Text>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
          {onEarlier && (
            <Button variant="subtle" size="xs" m="xs" onClick={onEarlier}>
              Show earlier
            </Button>
          )}
        </Stack>
      ) : query.error ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : (
        <Loading rows={4} />
      )}
    </Paper>
  );
}

// "step.timed_out" -> "timed out".
const verbOf = (kind: string) => humanise(kind.slice(kind.indexOf(".") + 1)).toLowerCase();
