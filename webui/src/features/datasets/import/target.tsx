import { useQuery } from "@connectrpc/connect-query";
import { Alert, Button, Group, Radio, Select, Stack, Text } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { CreateDataset } from "@/components/datasets/create-dataset";
import type { Proposal } from "@/components/datasets/propose";
import { RecordsService } from "@/gen/services/records/v1/records_pb";
import { columnsOf, datasetIdFrom } from "@/lib/columns";
import { idOf } from "@/lib/names";
import { formatCount } from "@/lib/number";

interface ChooseDatasetProps {
  fileName: string;
  // What the first rows say; undefined for a file that is fetched from an address.
  proposal: Proposal | undefined;
  initial: string;
  onDone: (name: string) => void;
  // How the file is read: shown above, because it decides which columns there are.
  children: ReactNode;
}

export function ChooseDataset({ fileName, proposal, initial, onDone, children }: ChooseDatasetProps) {
  const { data } = useQuery(RecordsService.method.listDatasets, { pageSize: 1000 });
  const [kind, setKind] = useState(initial ? "existing" : "new");
  const [chosen, setChosen] = useState<string | null>(initial || null);
  const dataset = data?.datasets.find(({ name }) => name === chosen);
  const missing =
    dataset && proposal
      ? columnsOf(dataset.schema).filter(
          ({ name, nullable }) => !nullable && !proposal.columns.some((column) => column.name === name),
        )
      : [];
  return (
    <Stack gap="md" mt="md">
      {children}
      <Radio.Group aria-label="Where the rows go" value={kind} onChange={setKind}>
        <Group gap="lg">
          <Radio value="new" label="Create a dataset" />
          <Radio value="existing" label="Use an existing dataset" disabled={data?.datasets.length === 0} />
        </Group>
      </Radio.Group>
      {kind === "new" ? (
        <>
          {proposal && (
            <Text size="sm" c="dimmed">
              Proposed from the first {formatCount(proposal.rows)} rows of {fileName}. Check the types, and choose the columns that
              identify a row.
            </Text>
          )}
          <CreateDataset
            // Another reading of the file proposes other columns.
            key={proposal?.columns.map(({ name, type }) => `${name} ${type}`).join("\n")}
            proposal={proposal}
            suggestedName={datasetIdFrom(fileName)}
            submit="Create and continue"
            onCreated={({ name }) => onDone(name)}
          />
        </>
      ) : (
        <>
          <Select
            label="Dataset"
            placeholder="Choose a dataset"
            searchable
            maw={420}
            value={chosen}
            onChange={setChosen}
            data={(data?.datasets ?? []).map(({ name, title }) => ({ value: name, label: title || idOf(name) }))}
          />
          {missing.length > 0 && (
            <Alert role="note" color="amber" title="The file does not fit this dataset">
              It has no column {missing.map(({ name }) => `“${name}”`).join(", ")}, which must not be empty: every row would be
              rejected.
            </Alert>
          )}
          <Group>
            <Button disabled={!chosen} onClick={() => chosen && onDone(chosen)}>
              Continue
            </Button>
          </Group>
        </>
      )}
    </Stack>
  );
}
