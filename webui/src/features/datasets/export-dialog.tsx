import type { JsonObject } from "@bufbuild/protobuf";
import { createConnectQueryKey, useMutation } from "@connectrpc/connect-query";
import { Button, Code, Group, Modal, MultiSelect, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useFocusReturn } from "@/components/ui/focus";
import { Failure } from "@/components/ui/states";
import type { Dataset } from "@/gen/services/records/v1/records_pb";
import { type Run, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { columnsOf } from "@/lib/columns";
import { problemOf } from "@/lib/errors";
import { startKey } from "@/lib/idempotency";

// The process that writes records into a file.
export const EXPORT = "recordexport";

interface ExportDialogProps {
  dataset: Dataset;
  // The filter of the list that the person looks at.
  filter: string;
  onClose: () => void;
  onStarted: (run: Run) => void;
}

// What is on screen, as a file: the records of the current filter, with columns and format to choose.
export function ExportDialog({ dataset, filter, onClose, onStarted }: ExportDialogProps) {
  useFocusReturn();
  const client = useQueryClient();
  const [format, setFormat] = useState("CSV");
  const [compression, setCompression] = useState<string | null>(null);
  const [columns, setColumns] = useState<string[]>([]);
  const [nullToken, setNullToken] = useState("");
  const [visit] = useState(() => crypto.randomUUID());
  const start = useMutation(RunsService.method.startRun, {
    onSuccess: (run) => {
      void client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: RunsService.method.listRuns, cardinality: undefined }),
      });
      onStarted(run);
    },
  });
  const faults = start.error ? problemOf(start.error).fields : {};
  const csv = format === "CSV";
  const input: JsonObject = {
    dataset: dataset.name,
    format,
    ...(filter && { filter }),
    ...(columns.length > 0 && { columns }),
    ...(compression && { compression }),
    ...(csv && nullToken && { nullToken }),
  };
  return (
    <Modal opened onClose={onClose} title={`Export ${dataset.title || dataset.name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          start.mutate({ process: EXPORT, input, idempotencyKey: startKey(visit, input) });
        }}
      >
        <Stack gap="md">
          <Text size="sm" component="div">
            {filter ? (
              <>
                The records that fit <Code>{filter}</Code>
              </>
            ) : (
              "All records"
            )}{" "}
            are written into a file by a run, which shows how far it is and gives the download at its end.
          </Text>
          {faults["input.filter"] && (
            <Text size="sm" c="red">
              {faults["input.filter"]}
            </Text>
          )}
          <SegmentedControl
            aria-label="Format"
            value={format}
            onChange={setFormat}
            data={[
              { value: "CSV", label: "CSV" },
              { value: "NDJSON", label: "NDJSON" },
              { value: "PARQUET", label: "Parquet" },
            ]}
          />
          <MultiSelect
            label="Columns"
            description="In this order; none means all."
            clearable
            searchable
            data={columnsOf(dataset.schema).map(({ name }) => name)}
            value={columns}
            onChange={setColumns}
            error={faults["input.columns"]}
          />
          <Group gap="md" grow align="flex-start">
            <Select
              label="Packed with"
              placeholder={format === "PARQUET" ? "zstd, inside" : "nothing"}
              clearable
              data={[
                { value: "NONE", label: "nothing" },
                { value: "GZIP", label: "gzip" },
                { value: "ZSTD", label: "zstd" },
              ]}
              value={compression}
              onChange={setCompression}
              error={faults["input.compression"]}
            />
            <TextInput
              label="Word for “no value”"
              placeholder="empty cell"
              maxLength={40}
              disabled={!csv}
              value={nullToken}
              onChange={(event) => setNullToken(event.currentTarget.value)}
              error={faults["input.nullToken"]}
            />
          </Group>
          {start.error && <Failure title="The export was not started" error={start.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Back
            </Button>
            <Button type="submit" loading={start.isPending}>
              Export
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
