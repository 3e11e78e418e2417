import type { JsonObject } from "@bufbuild/protobuf";
import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Alert, Button, Checkbox, Group, NumberInput, Radio, Stack, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Failure } from "@/components/ui/states";
import { Facts } from "@/components/ui/values";
import { RecordsService } from "@/gen/services/records/v1/records_pb";
import { type Run, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { problemOf } from "@/lib/errors";
import { startKey } from "@/lib/idempotency";
import { idOf } from "@/lib/names";
import { formatCount, plural } from "@/lib/number";
import { describeColumns, type Placed } from "./columns";
import { describeSource, type Source } from "./source";

type Mode = "UPSERT" | "INSERT" | "REPLACE" | "DELETE";

const modes: { value: Mode; label: string; text: string }[] = [
  { value: "UPSERT", label: "Update and add", text: "A row whose key is there updates it; rows that say the same stay unchanged." },
  { value: "INSERT", label: "Only add", text: "A row whose key is there is rejected, with the reason." },
  { value: "REPLACE", label: "Replace everything", text: "The file's rows take the place of all records, at once, at the end." },
  {
    value: "DELETE",
    label: "Delete by key",
    text: "The records with the file's keys are deleted; only the key's columns are read.",
  },
];

interface StartImportProps {
  source: Source;
  dataset: string;
  // Empty for a file whose first rows were not read.
  columns: Placed[];
  // How the file is read, as an input holds it.
  format: JsonObject | undefined;
  onStarted: (run: Run) => void;
  // Told of a refusal that only the earlier steps can mend.
  onRefused: (error: unknown) => void;
}

// The last look before an import: what goes where, what happens to rows that are there, and when it should give up.
export function StartImport({ source, dataset, columns, format, onStarted, onRefused }: StartImportProps) {
  const client = useQueryClient();
  const [mode, setMode] = useState<Mode>("UPSERT");
  const [maxRejects, setMaxRejects] = useState<number | string>("");
  const [keep, setKeep] = useState(false);
  const [visit] = useState(() => crypto.randomUUID());
  const start = useMutation(RunsService.method.startRun, {
    onSuccess: (run) => {
      void client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: RunsService.method.listRuns, cardinality: undefined }),
      });
      onStarted(run);
    },
    onError: (error) => {
      if (Object.keys(problemOf(error).fields).some((field) => field.startsWith("input.format"))) onRefused(error);
    },
  });
  const faults = start.error ? problemOf(start.error).fields : {};
  const input: JsonObject = {
    ...(source.kind === "file" ? { file: source.stored.name } : { sourceUrl: source.url }),
    dataset,
    mode,
    ...(format && { format }),
    ...(Number(maxRejects) > 0 && { maxRejects: String(maxRejects) }),
    ...(keep && { keepOnFailure: true }),
  };
  return (
    <Stack gap="md" mt="md">
      <Title order={2}>Ready to import</Title>
      <Facts
        facts={[
          [source.kind === "file" ? "File" : "Address", describeSource(source)],
          ["Dataset", idOf(dataset)],
          ...(columns.length > 0 ? [["Columns", describeColumns(columns)] as [string, string]] : []),
        ]}
      />
      <Radio.Group label="What to do with the rows" value={mode} onChange={(value) => setMode(value)}>
        <Stack gap="xs" mt="xs">
          {modes.map(({ value, label, text }) => (
            <Radio key={value} value={value} label={label} description={text} />
          ))}
        </Stack>
      </Radio.Group>
      {(mode === "REPLACE" || mode === "DELETE") && <Warning mode={mode} dataset={dataset} />}
      <NumberInput
        label="Stop after so many rejected rows"
        description="The import then fails. Empty: never."
        maw={320}
        min={1}
        allowDecimal={false}
        thousandSeparator=","
        value={maxRejects}
        onChange={setMaxRejects}
        error={faults["input.maxRejects"]}
      />
      <Checkbox
        label="If it fails, keep what was written"
        description="Otherwise it is undone."
        disabled={mode === "REPLACE"}
        checked={keep && mode !== "REPLACE"}
        onChange={(event) => setKeep(event.currentTarget.checked)}
      />
      {start.error && <Failure title="The import was not started" error={start.error} />}
      <Group>
        <Button
          color={mode === "REPLACE" || mode === "DELETE" ? "red" : undefined}
          loading={start.isPending}
          onClick={() =>
            start.mutate({
              process: "recordimport",
              input,
              idempotencyKey: startKey(visit, input),
            })
          }
        >
          Start the import
        </Button>
      </Group>
    </Stack>
  );
}

// How many records a mistake would cost.
function Warning({ mode, dataset }: { mode: "REPLACE" | "DELETE"; dataset: string }) {
  const { data } = useQuery(RecordsService.method.countRecords, { parent: dataset });
  const there = data ? `${formatCount(data.count)} ${plural(data.count, "records")}` : "The records";
  return (
    <Alert
      role="note"
      color="red"
      icon={<IconAlertTriangle size={18} />}
      title={mode === "REPLACE" ? `${there} of ${idOf(dataset)} will be replaced` : `Records of ${idOf(dataset)} will be deleted`}
    >
      {mode === "REPLACE"
        ? "Until the end readers see the old ones; if the import does not succeed, the old ones stay."
        : `It has ${there.toLowerCase()} now. Those whose key the file names are gone after the import.`}
    </Alert>
  );
}
