import { useQuery } from "@connectrpc/connect-query";
import { Button, Group, Input, Modal, Select } from "@mantine/core";
import type { WidgetProps } from "@rjsf/utils";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { CreateDataset } from "@/components/datasets/create-dataset";
import { RecordsService } from "@/gen/services/records/v1/records_pb";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";

// For text of the form "datasets/NAME": one that exists, or a new one.
export function DatasetWidget({ id, label, required, value, onChange, rawErrors, schema, disabled }: WidgetProps) {
  const { can } = useViewer();
  const [creating, setCreating] = useState(false);
  const { data } = useQuery(RecordsService.method.listDatasets, { pageSize: 1000 });
  return (
    <Input.Wrapper id={id} label={label} required={required} description={schema.description} error={rawErrors?.join(" ")}>
      <Group gap="xs" wrap="nowrap" mt={5}>
        <Select
          id={id}
          flex={1}
          searchable
          openOnFocus={false}
          clearable
          disabled={disabled}
          placeholder="Choose a dataset"
          nothingFoundMessage="No such dataset"
          value={(value as string | undefined) ?? null}
          onChange={(name) => onChange(name ?? undefined)}
          data={(data?.datasets ?? []).map(({ name, title }) => ({ value: name, label: title || idOf(name) }))}
        />
        {can("records.write") && (
          <Button variant="default" leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)} disabled={disabled}>
            New
          </Button>
        )}
      </Group>
      <Modal opened={creating} onClose={() => setCreating(false)} title="New dataset" size="xl">
        <CreateDataset
          onCreated={({ name }) => {
            setCreating(false);
            onChange(name);
          }}
        />
      </Modal>
    </Input.Wrapper>
  );
}
