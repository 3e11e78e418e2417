import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Group, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { ActionDialog } from "@/components/ui/dialogs";
import { done } from "@/components/ui/toast";
import type { Schedule } from "@/gen/services/runs/v1/runs_pb";
import { formatCount, plural } from "@/lib/number";
import { useScheduleActions } from "./api";

// Makes up for times that have passed: each once, however often it is asked for.
export function BackfillDialog({ schedule, onClose }: { schedule: Schedule; onClose: () => void }) {
  const { backfill } = useScheduleActions();
  const [from, setFrom] = useState("");
  const [until, setUntil] = useState("");
  const start = instant(from);
  const end = instant(until);
  const backwards = start !== undefined && end !== undefined && end <= start;
  return (
    <ActionDialog
      opened
      onClose={onClose}
      title="Make up for a time past"
      action="Start these runs"
      reason="optional"
      shownIn="the audit trail"
      incomplete={!start || !end || backwards}
      run={async (reason) => {
        if (!start || !end) return;
        const { runs } = await backfill.mutateAsync({
          name: schedule.name,
          from: timestampFromDate(start),
          until: timestampFromDate(end),
          reason,
        });
        done(
          runs.length === 0
            ? "No time of the schedule lies in between."
            : `${formatCount(runs.length)} ${plural(runs.length, "runs")} for the times in between.`,
        );
      }}
    >
      {(faults) => (
        <Stack gap="md">
          <Text size="sm">
            A run starts for each time of the schedule in between, at most 1,000; times that already have their run are left out.
            Dates are those of this computer&apos;s clock.
          </Text>
          <Group gap="sm" grow align="flex-start">
            <TextInput
              type="datetime-local"
              label="From"
              required
              value={from}
              onChange={(event) => setFrom(event.currentTarget.value)}
              error={faults.from}
            />
            <TextInput
              type="datetime-local"
              label="Until, without it"
              required
              value={until}
              onChange={(event) => setUntil(event.currentTarget.value)}
              error={backwards ? "This lies before the beginning." : faults.until}
            />
          </Group>
        </Stack>
      )}
    </ActionDialog>
  );
}

// What a person entered, as an instant; undefined while it is incomplete.
function instant(local: string): Date | undefined {
  const time = new Date(local);
  return local && !Number.isNaN(time.getTime()) ? time : undefined;
}
