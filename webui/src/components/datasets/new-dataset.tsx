import { createConnectQueryKey, useMutation } from "@connectrpc/connect-query";
import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Failure } from "@/components/ui/states";
import { type Dataset, RecordsService } from "@/gen/services/records/v1/records_pb";
import { type Column, DATASET_ID, schemaOf } from "@/lib/columns";
import { problemOf } from "@/lib/errors";
import { humanise } from "@/lib/names";

interface NewDatasetProps {
  columns: Column[];
  // Names of the columns that identify a record, in order.
  keyColumns: string[];
  // Taken until a person types another one.
  suggestedName: string;
  submit: string;
  // A last look at what was typed in `children`; false keeps the dataset from being made.
  check?: () => Promise<boolean>;
  onCreated: (dataset: Dataset) => void;
  // Where the columns are edited.
  children: ReactNode;
}

// A new dataset: its name and title, and what its columns and its key mean for imports.
export function NewDataset({ columns, keyColumns, suggestedName, submit, check, onCreated, children }: NewDatasetProps) {
  const client = useQueryClient();
  const [typedId, setId] = useState<string>();
  const [typedTitle, setTitle] = useState<string>();
  const [checking, setChecking] = useState(false);
  const create = useMutation(RecordsService.method.createDataset, {
    onSuccess: (dataset) => {
      void client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: RecordsService.method.listDatasets, cardinality: undefined }),
      });
      onCreated(dataset);
    },
  });
  const id = typedId ?? suggestedName;
  const title = typedTitle ?? humanise(suggestedName);
  const faults = create.error ? problemOf(create.error).fields : {};
  const names = columns.map(({ name }) => name);
  const complete = DATASET_ID.test(id) && names.length > 0 && names.every(Boolean) && new Set(names).size === names.length;
  const send = async () => {
    setChecking(true);
    const fits = check ? await check() : true;
    setChecking(false);
    if (fits)
      create.mutate({ datasetId: id, dataset: { title: title || humanise(id), schema: schemaOf(columns), key: keyColumns } });
  };
  return (
    <form
      aria-label="New dataset"
      onSubmit={(event) => {
        event.preventDefault();
        // The form may stand inside another one (a start form's dialog), which must not be sent with it.
        event.stopPropagation();
        if (complete) void send();
      }}
    >
      <Stack gap="md">
        <Group align="flex-start" grow preventGrowOverflow={false}>
          <TextInput
            miw={200}
            label="Name"
            description="Used in links and filters; it can't be changed later."
            required
            value={id}
            onChange={(event) => setId(event.currentTarget.value)}
            error={
              faults.datasetId ?? (id && !DATASET_ID.test(id) ? "Lower-case letters, digits, - and _; a letter first." : undefined)
            }
          />
          <TextInput
            miw={200}
            label="Title"
            description="What people read."
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
            error={faults["dataset.title"]}
          />
        </Group>
        {children}
        <Alert role="note" color={keyColumns.length > 0 ? "harbour" : "amber"} p="xs">
          {keyColumns.length > 0 ? (
            <Text size="sm">
              A record is identified by <b>{keyColumns.join(", ")}</b>. Importing the same file again changes nothing.
            </Text>
          ) : (
            <Text size="sm">Without a key every imported row is a new record, also when the same file is imported twice.</Text>
          )}
        </Alert>
        {create.error && <Failure title="The dataset was not created" error={create.error} />}
        <Group gap="sm">
          <Button type="submit" loading={checking || create.isPending} disabled={!complete}>
            {submit}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
