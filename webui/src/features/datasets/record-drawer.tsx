import { Drawer, Stack, Title } from "@mantine/core";
import { Moment } from "@/components/ui/moment";
import { Copyable, Facts, JsonValue } from "@/components/ui/values";
import type { Dataset, Record as DataRecord } from "@/gen/services/records/v1/records_pb";
import { columnsOf } from "@/lib/columns";

// One record, all of it.
export function RecordDrawer({
  record,
  dataset,
  onClose,
}: {
  record: DataRecord | undefined;
  dataset: Dataset;
  onClose: () => void;
}) {
  return (
    <Drawer
      opened={record !== undefined}
      onClose={onClose}
      position="right"
      size="md"
      title={record?.key.join(" · ") || "Record"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {record && (
        <Stack gap="lg">
          <Facts
            facts={columnsOf(dataset.schema).map(({ name }) => [
              name,
              <JsonValue key={name} value={record.data?.[name] ?? null} />,
            ])}
          />
          <div>
            <Title order={3} mb="xs">
              About
            </Title>
            <Facts
              facts={[
                ["Created", <Moment key="created" time={record.createTime} />],
                ["Changed", <Moment key="changed" time={record.updateTime} />],
              ]}
            />
          </div>
          <Copyable label="Name" value={record.name} />
        </Stack>
      )}
    </Drawer>
  );
}
