import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  Autocomplete,
  Box,
  Button,
  Group,
  Paper,
  Select,
  SimpleGrid,
  Skeleton,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { Page } from "@/components/ui/page";
import { Empty, Failure, Loaded } from "@/components/ui/states";
import { type Schedule, Schedule_Overlap, ScheduleSchema } from "@/gen/services/runs/v1/runs_pb";
import { useProcesses } from "@/lib/catalogue";
import { problemOf } from "@/lib/errors";
import { idOf } from "@/lib/names";
import { formatDuration } from "@/lib/time";
import { useSchedule, useScheduleActions } from "./api";
import { describeCron } from "@/lib/cron";
import { SchedulesTrail } from "./schedule-page";
import { catchups, localZone, overlapOf, overlaps, scheduleIdFrom, timeZones } from "./words";

const SchemaForm = lazy(() => import("@/components/forms/schema-form"));

// What people want most; anything else is typed.
const presets = ["0 * * * *", "0 6 * * *", "30 6 * * 1-5", "0 8 * * 1", "0 7 1 * *"];

interface CreateScheduleProps {
  // Bare name of the process that the person came from.
  process?: string;
  onSaved: (schedule: Schedule) => void;
  onBack: () => void;
}

export function CreateSchedule({ process = "", ...events }: CreateScheduleProps) {
  const blank = create(ScheduleSchema, { process, timeZone: localZone(), overlap: Schedule_Overlap.SKIP, catchupSeconds: 3600n });
  return (
    <Page title="New schedule" subtitle="Starts a process by itself, at its times, in your name." above={<SchedulesTrail />}>
      <ScheduleForm schedule={blank} {...events} />
    </Page>
  );
}

export function EditSchedule({ name, ...events }: { name: string } & Omit<CreateScheduleProps, "process">) {
  const query = useSchedule(name);
  return (
    <Page title={`Edit ${query.data?.title || idOf(name)}`} above={<SchedulesTrail />}>
      <Loaded query={query}>{(schedule) => <ScheduleForm schedule={schedule} {...events} />}</Loaded>
    </Page>
  );
}

interface ScheduleFormProps {
  // As it is now; without a name it is a new one.
  schedule: Schedule;
  onSaved: (schedule: Schedule) => void;
  onBack: () => void;
}

function ScheduleForm({ schedule, onSaved, onBack }: ScheduleFormProps) {
  const isNew = schedule.name === "";
  const [draft, setDraft] = useState(schedule);
  const [id, setId] = useState<string>();
  const [missing, setMissing] = useState<Record<string, string>>({});
  const processes = useProcesses();
  const actions = useScheduleActions();
  const saving = isNew ? actions.create : actions.update;
  const problem = saving.error ? problemOf(saving.error) : undefined;
  const faults = withoutParent(problem?.fields ?? {});
  const startable = processes.data?.processes.filter((process) => process.startable) ?? [];
  const process = startable.find(({ name }) => idOf(name) === draft.process);
  const set = (change: Partial<Schedule>) => setDraft({ ...draft, ...change });
  const zone = draft.timeZone || "UTC";
  const scheduleId = id ?? scheduleIdFrom(draft.title);

  const save = (input: JsonObject) => {
    const gaps: Record<string, string> = {
      ...(isNew &&
        !/^[a-z][a-z0-9-]{0,62}$/.test(scheduleId) && { scheduleId: "Small letters, digits and dashes, a letter first." }),
      ...(draft.cron.trim() === "" && { cron: "This is needed." }),
    };
    setMissing(gaps);
    if (Object.keys(gaps).length > 0) return;
    const wanted = { ...draft, input, cron: draft.cron.trim() };
    if (isNew) actions.create.mutate({ scheduleId, schedule: wanted }, { onSuccess: onSaved });
    else
      actions.update.mutate(
        { schedule: wanted, updateMask: { paths: ["title", "input", "cron", "time_zone", "overlap", "catchup_seconds"] } },
        { onSuccess: onSaved },
      );
  };

  if (processes.data && startable.length === 0)
    return (
      <Paper>
        <Empty title="Nothing to schedule">There is no process that you may start.</Empty>
      </Paper>
    );
  return (
    <Stack gap="md" maw={760}>
      <Paper p="lg" component="section" aria-labelledby="when">
        <Title order={2} id="when" mb="md">
          When
        </Title>
        <Stack gap="md">
          <SimpleGrid cols={{ base: 1, xs: isNew ? 2 : 1 }} spacing="md">
            <TextInput
              label="Title"
              maxLength={200}
              value={draft.title}
              onChange={(event) => set({ title: event.currentTarget.value })}
              error={faults.title}
            />
            {isNew && (
              <TextInput
                label="Name"
                description="In addresses and on the command line"
                inputWrapperOrder={["label", "input", "description", "error"]}
                required
                value={scheduleId}
                onChange={(event) => setId(event.currentTarget.value)}
                error={missing.scheduleId ?? faults.scheduleId}
              />
            )}
          </SimpleGrid>
          <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md">
            <Autocomplete
              label="Times"
              description="Minute, hour, day, month, weekday"
              inputWrapperOrder={["label", "input", "description", "error"]}
              required
              placeholder="30 6 * * 1-5"
              data={presets}
              filter={({ options }) => options}
              renderOption={({ option }) => (
                <Group justify="space-between" w="100%" wrap="nowrap">
                  <Text size="sm">{describeCron(option.value)}</Text>
                  <Text size="xs" c="dimmed">
                    {option.value}
                  </Text>
                </Group>
              )}
              value={draft.cron}
              onChange={(cron) => set({ cron })}
              error={missing.cron ?? faults.cron}
            />
            <Select
              label="Time zone"
              searchable
              allowDeselect={false}
              limit={100}
              data={timeZones.includes(zone) ? timeZones : [zone, ...timeZones]}
              value={zone}
              onChange={(timeZone) => set({ timeZone: timeZone ?? "UTC" })}
              error={faults.timeZone}
            />
          </SimpleGrid>
          {draft.cron.trim() && (
            <Text size="sm" role="status" data-testid="cron-words">
              {describeCron(draft.cron) ?? "No words for these times here"}. The exact next times are shown once it is saved.
            </Text>
          )}
          <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md">
            <Select
              label="If the last run is still open"
              description={overlapOf(draft.overlap).text}
              inputWrapperOrder={["label", "input", "description", "error"]}
              allowDeselect={false}
              data={overlaps.map(({ value, label }) => ({ value: String(value), label }))}
              value={String(overlapOf(draft.overlap).value)}
              onChange={(value) => set({ overlap: overlaps.find((one) => String(one.value) === value)?.value })}
              error={faults.overlap}
            />
            <Select
              label="Make up for missed times"
              description="Times missed longer ago, while the house was down, are passed over."
              inputWrapperOrder={["label", "input", "description", "error"]}
              allowDeselect={false}
              data={withValue(catchups, Number(draft.catchupSeconds) || 3600).map((seconds) => ({
                value: String(seconds),
                label: `of the last ${formatDuration(seconds * 1000)}`,
              }))}
              value={String(Number(draft.catchupSeconds) || 3600)}
              onChange={(seconds) => set({ catchupSeconds: BigInt(seconds ?? 3600) })}
              error={faults.catchupSeconds}
            />
          </SimpleGrid>
        </Stack>
      </Paper>
      <Paper p="lg" component="section" aria-labelledby="what">
        <Title order={2} id="what" mb="md">
          What
        </Title>
        <Stack gap="md">
          <Select
            label="Process"
            required
            searchable
            disabled={!isNew}
            placeholder="Choose a process"
            data={startable.map(({ name, title }) => ({ value: idOf(name), label: title }))}
            value={draft.process || null}
            onChange={(chosen) => set({ process: chosen ?? "", input: undefined })}
            error={faults.process}
          />
          {process && (
            <Suspense fallback={<Skeleton h={120} />}>
              <SchemaForm
                key={process.name}
                schema={process.inputSchema ?? { type: "object", properties: {} }}
                initial={schedule.process === draft.process ? schedule.input : undefined}
                submit={isNew ? "Create schedule" : "Save changes"}
                busy={saving.isPending}
                faults={faults}
                onSubmit={save}
                aside={
                  <Button variant="default" onClick={onBack}>
                    Back
                  </Button>
                }
              >
                {problem && (
                  <Box mt="md">
                    <Failure title="The schedule was not saved" error={saving.error} />
                  </Box>
                )}
              </SchemaForm>
            </Suspense>
          )}
        </Stack>
      </Paper>
    </Stack>
  );
}

// "schedule.cron" -> "cron": the form is the schedule.
const withoutParent = (fields: Record<string, string>) =>
  Object.fromEntries(Object.entries(fields).map(([field, fault]) => [field.replace(/^schedule\./, ""), fault]));

const withValue = (values: readonly number[], value: number) =>
  values.includes(value) ? [...values] : [...values, value].sort((one, other) => one - other);
